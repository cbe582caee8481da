"""What `raemd convert` does with any archive."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from nnunetv2_raemd.commands.convert_options import ConvertOptions
from nnunetv2_raemd.errors import UserError

if TYPE_CHECKING:
    from nnunetv2_raemd.dataset_conversion.archive import Archive
    from nnunetv2_raemd.dataset_conversion.case import ConversionPlan
    from nnunetv2_raemd.dataset_conversion.case_mapping import CaseMapping
    from nnunetv2_raemd.dataset_conversion.conversion import RunOptions
    from nnunetv2_raemd.dataset_conversion.nnunet_dataset import DatasetFolder


def convert_archive(archive: Archive, chosen: ConvertOptions, *, name: str) -> None:
    """Convert it into the dataset called `name`, or show what would be done; ends the command."""
    from nnunetv2_raemd.dataset_conversion import terminal
    from nnunetv2_raemd.dataset_conversion.nnunet_dataset import dataset_folder

    folder = dataset_folder(chosen.dataset_id, name)
    options = _run_options(chosen)
    options.backend.check()
    names = _case_mapping(folder, chosen)
    plan, settings = archive.plan(chosen.input_folder, workers=chosen.workers), archive.settings()
    if names is not None:
        plan = _under_new_names(plan, names, name=name, dry_run=chosen.dry_run)
        settings["anonymised"] = True
    if chosen.dry_run:
        terminal.show_plan(plan, folder, options)
        return
    about = replace(archive.description, channel_name=chosen.channel_name.value)
    raise typer.Exit(terminal.run(plan, folder, about, settings=settings, options=options))


def _run_options(chosen: ConvertOptions) -> RunOptions:
    from nnunetv2_raemd.dataset_conversion.conversion import RunOptions
    from nnunetv2_raemd.dataset_conversion.splits import split_of

    return RunOptions(
        workers=chosen.workers,
        limit=chosen.limit,
        overwrite=chosen.overwrite,
        strict=chosen.strict,
        split=split_of(chosen.split, folds=chosen.folds, seed=chosen.seed),
        scheduler=chosen.scheduler,
        qc=chosen.qc,
    )


def _case_mapping(folder: DatasetFolder, chosen: ConvertOptions) -> CaseMapping | None:
    """The names to give to cases, None where they keep their own."""
    from nnunetv2_raemd.dataset_conversion.case_mapping import default_mapping_file, read_mapping

    if chosen.anonymize:
        file = chosen.mapping or default_mapping_file(folder)
        return read_mapping(file, folder, overwrite=chosen.overwrite)
    if chosen.mapping is not None:
        raise UserError("--mapping is for --anonymize; give both.")
    return None


def _under_new_names(plan: ConversionPlan, names: CaseMapping, *, name: str, dry_run: bool) -> ConversionPlan:
    """The anonymised plan; the names, and the words that it refers to, are written unless it is a dry run."""
    from nnunetv2_raemd.dataset_conversion.anonymise import anonymised

    anonymous = anonymised(plan, names, name=name)
    if not dry_run:
        anonymous.write_private()
        return anonymous.plan
    if not anonymous.private:
        return anonymous.plan
    unwritten = "a dry run does not write the files it refers to"
    return replace(anonymous.plan, remarks=(*anonymous.plan.remarks, unwritten))
