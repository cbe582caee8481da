"""What `raemd convert` does with any archive."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from nnunetv2_raemd.commands.convert_options import ConvertOptions
from nnunetv2_raemd.errors import UserError

if TYPE_CHECKING:
    from nnunetv2_raemd.dataset_conversion.archive import Archive
    from nnunetv2_raemd.dataset_conversion.case import FoundCases
    from nnunetv2_raemd.dataset_conversion.dataset_folder import DatasetFolder
    from nnunetv2_raemd.dataset_conversion.dataset_writing.case_mapping import CaseMapping
    from nnunetv2_raemd.dataset_conversion.dataset_writing.conversion import RunOptions


def convert_archive(archive: Archive, chosen: ConvertOptions, *, name: str) -> None:
    """Convert it into the dataset called `name`, or show what would be done; ends the command."""
    from nnunetv2_raemd.dataset_conversion.dataset_folder import dataset_folder
    from nnunetv2_raemd.dataset_conversion.dataset_writing import conversion_terminal

    chosen.check()
    folder = dataset_folder(chosen.dataset_id, name)
    options = _run_options(chosen)
    options.backend.check()
    names = _case_mapping(folder, chosen)
    found, settings = archive.find_cases(chosen.input_folder, workers=chosen.workers), archive.settings()
    if names is not None:
        found = _under_new_names(found, names, name=name, dry_run=chosen.dry_run)
        settings["anonymized"] = True
    if chosen.dry_run:
        conversion_terminal.show_found(found, folder, options)
        return
    about = replace(archive.description, channel_name=chosen.channel_name.value)
    raise typer.Exit(conversion_terminal.run(found, folder, about, settings=settings, options=options))


def _run_options(chosen: ConvertOptions) -> RunOptions:
    from nnunetv2_raemd.dataset_conversion.dataset_writing.conversion import RunOptions
    from nnunetv2_raemd.dataset_conversion.dataset_writing.splits import split_of

    return RunOptions(
        workers=chosen.workers,
        limit=chosen.limit,
        overwrite=chosen.overwrite,
        strict=chosen.strict,
        split=split_of(chosen.split, folds=chosen.folds, seed=chosen.seed),
        scheduler=chosen.scheduler,
        qc=chosen.qc,
        verify=chosen.verify,
    )


def _case_mapping(folder: DatasetFolder, chosen: ConvertOptions) -> CaseMapping | None:
    """The names to give to cases, None where they keep their own."""
    from nnunetv2_raemd.dataset_conversion.dataset_writing.case_mapping import (
        default_mapping_file,
        read_mapping,
    )

    if chosen.anonymize:
        file = chosen.mapping or default_mapping_file(folder)
        return read_mapping(file, folder, overwrite=chosen.overwrite)
    if chosen.mapping is not None:
        raise UserError("--mapping is for --anonymize; give both")
    return None


def _under_new_names(found: FoundCases, names: CaseMapping, *, name: str, dry_run: bool) -> FoundCases:
    """The cases anonymized; the mapping and the private files are written unless it is a dry run."""
    from nnunetv2_raemd.dataset_conversion.dataset_writing.anonymize import anonymized

    anonymous = anonymized(found, names, name=name)
    if not dry_run:
        anonymous.write_private()
        return anonymous.found
    if not anonymous.private:
        return anonymous.found
    unwritten = "a dry run does not write the files it refers to"
    return replace(anonymous.found, remarks=(*anonymous.found.remarks, unwritten))
