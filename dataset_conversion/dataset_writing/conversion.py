"""From the cases of an archive to a complete nnU-Net dataset with its report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nnunetv2.paths import nnUNet_preprocessed

from nnunetv2_raemd.dataset_conversion.case import FoundCases, Outcome, Status
from nnunetv2_raemd.dataset_conversion.dataset_description import DatasetDescription
from nnunetv2_raemd.dataset_conversion.dataset_folder import DatasetFolder
from nnunetv2_raemd.dataset_conversion.dataset_writing.conversion_batch import run_cases
from nnunetv2_raemd.dataset_conversion.dataset_writing.conversion_report import remove_report, write_report
from nnunetv2_raemd.dataset_conversion.dataset_writing.dataset_json_writer import write_dataset_json
from nnunetv2_raemd.dataset_conversion.dataset_writing.splits import GroupedFolds, KnownCases, Split
from nnunetv2_raemd.dataset_conversion.quality.quality_pictures import draw_pictures, page
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.backend import Backend
from nnunetv2_raemd.execution.backend_choice import backend_for
from nnunetv2_raemd.namesakes import are_one_file, namesakes
from nnunetv2_raemd.whole_files import write_json


@dataclass(frozen=True)
class RunOptions:
    """How a conversion runs; none of these changes what a case becomes."""

    workers: int = 1
    limit: int | None = None
    overwrite: bool = False
    strict: bool = False
    split: Split = field(default_factory=GroupedFolds)
    scheduler: str | None = None
    qc: bool = False
    verify: bool = False

    @property
    def backend(self) -> Backend:
        """Where the cases are converted: worker processes here, or those of a scheduler."""
        return backend_for(self.scheduler, self.workers)


@dataclass(frozen=True)
class ConversionResult:
    """Outcomes of the cases asked for, and what the user should know beside them.

    `undrawn` says by case why its picture for `--qc` could not be drawn.
    """

    folder: Path
    outcomes: tuple[Outcome, ...]
    remarks: tuple[str, ...] = field(default=())
    undrawn: Mapping[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return tuple(o for o in self.outcomes if o.status is Status.FAILED)


def limited(found: FoundCases, limit: int | None) -> FoundCases:
    """What was found, cut to its first `limit` cases; what was rejected stays."""
    return found if limit is None else replace(found, cases=found.cases[:limit])


def convert(
    found: FoundCases,
    folder: DatasetFolder,
    about: DatasetDescription,
    *,
    settings: Mapping[str, Any],
    options: RunOptions,
) -> ConversionResult:
    """Convert the cases into `folder`; those that an earlier run finished are kept.

    `settings` are the choices that decide what a mask is: a folder never holds cases of different ones.

    Raises:
        UserError: if it would, where the folder holds images of other origin, where the cases cannot be split
            as `options` ask for, or (strict) at the first bad case.
    """
    if options.strict and found.rejected:
        first = found.rejected[0]
        raise UserError(f"{first.case_id}: {first.reason} (--strict stops at the first failure)")
    known = known_cases(found, folder, options)
    found = limited(found, options.limit)
    folder = replace(folder, test_cases=options.split.test_cases(known))
    folder = _prepare(folder, settings, overwrite=options.overwrite)
    found = _apart_from_namesakes(found, folder)
    try:
        return _converted(found, folder, about, known, settings=settings, options=options)
    finally:
        folder.finish()


def _converted(
    found: FoundCases,
    folder: DatasetFolder,
    about: DatasetDescription,
    known: KnownCases,
    *,
    settings: Mapping[str, Any],
    options: RunOptions,
) -> ConversionResult:
    moved = folder.arrange()
    recorded = set(folder.recorded_cases())
    for rejected in found.rejected:
        if rejected.case_id in recorded:  # and not another's, whose name a file system takes for this one
            folder.discard(rejected.case_id)
    converted = run_cases(
        found.cases, folder, backend=options.backend, strict=options.strict, verify=options.verify
    )
    outcomes = (*found.rejected, *converted)
    remarks = (*found.remarks, *_moved(moved), *_complete(folder, about, options.split, known))
    chosen = {**settings, "split": options.split.settings()}
    write_report(folder, _with_earlier(outcomes, folder), settings=chosen, remarks=found.remarks)
    undrawn = _check_by_eye(folder, options)
    return ConversionResult(folder.path, outcomes, (*remarks, *_stale_page(folder, options)), undrawn)


def _apart_from_namesakes(found: FoundCases, folder: DatasetFolder) -> FoundCases:
    """Without the cases that would overwrite others; where the file system tells them apart, a remark."""
    new = {case.case_id for case in found.cases}
    alike = [group for group in namesakes(new.union(folder.recorded_cases())) if new.intersection(group)]
    one = {name: group for group in alike if are_one_file(folder.path, group) for name in group}
    remarks = [
        f"{' and '.join(group)} differ only in case: they are different cases here, and overwrite each other "
        "on Windows and macOS; if they are the same patient, correct the identifiers before training"
        for group in alike
        if group[0] not in one
    ]
    rejected = [
        Outcome(case.case_id, Status.FAILED, _named_alike(one[case.case_id]), case.patient_id)
        for case in found.cases
        if case.case_id in one
    ]
    return replace(
        found,
        cases=tuple(case for case in found.cases if case.case_id not in one),
        rejected=(*found.rejected, *rejected),
        remarks=(*found.remarks, *remarks),
    )


def _named_alike(group: Sequence[str]) -> str:
    return f"{' and '.join(group)} would be one file on this disk: correct them, or use --anonymize"


def _check_by_eye(folder: DatasetFolder, options: RunOptions) -> Mapping[str, str]:
    """The pictures and the page of `--qc`; returns why a picture could not be drawn, by case."""
    if not options.qc:
        return {}
    from nnunetv2_raemd.dataset_conversion.quality.quality_page import (  # noqa: PLC0415 - matplotlib
        write_page,
    )

    undrawn = draw_pictures(folder, backend=options.backend)
    write_page(folder, undrawn)
    return undrawn


def _stale_page(folder: DatasetFolder, options: RunOptions) -> list[str]:
    file = page(folder)
    if options.qc or not file.is_file():
        return []
    return [f"{file} shows the dataset as it was when --qc was last given"]


def known_cases(found: FoundCases, folder: DatasetFolder, options: RunOptions) -> KnownCases:
    """All cases found, whatever becomes of them, and those that stay from earlier runs."""
    earlier = {} if options.overwrite else folder.records()
    patients = {
        **{case_id: record["patient_id"] for case_id, record in earlier.items()},
        **{outcome.case_id: outcome.patient_id for outcome in found.rejected if outcome.patient_id},
        **{case.case_id: case.patient_id for case in found.cases},
    }
    recorded = {case_id: n for case_id, record in earlier.items() if (n := record.get("subset")) is not None}
    return KnownCases(patients, {**recorded, **found.subsets})


def _prepare(folder: DatasetFolder, settings: Mapping[str, Any], *, overwrite: bool) -> DatasetFolder:
    foreign = folder.foreign_cases()
    if foreign:
        raise UserError(
            f"{folder.path} holds {len(foreign)} images that this command did not write, as {foreign[0]}; "
            "choose another --dataset-id or remove them"
        )
    folder = folder.prepare()
    if overwrite:
        _clear(folder)
    settings_file = folder.path / ".conversion" / "settings.json"
    if folder.recorded_cases() and _read_json(settings_file) != dict(settings):
        raise UserError(
            f"{folder.path} was converted with other settings, see {settings_file}; "
            "give --overwrite to convert everything again, or choose another --dataset-id"
        )
    write_json(settings_file, dict(settings))
    return folder


def _clear(folder: DatasetFolder) -> None:
    """Remove what earlier runs wrote: where cases get new names, the old ones must not stay anywhere."""
    for case_id in folder.recorded_cases():
        folder.discard(case_id)
    remove_report(folder)
    for name in ("splits_final.json", "dataset.json"):
        (folder.path / name).unlink(missing_ok=True)
    shutil.rmtree(page(folder).parent, ignore_errors=True)


def _read_json(file: Path) -> object:
    """What the file says, None where it is absent or damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _complete(
    folder: DatasetFolder, about: DatasetDescription, split: Split, known: KnownCases
) -> Sequence[str]:
    """Write `dataset.json` and `splits_final.json` over all finished cases; returns remarks."""
    training = [case_id for case_id in folder.records() if folder.part(case_id) == "Tr"]
    splits_file = folder.path / "splits_final.json"
    if not training:
        for file in (splits_file, folder.path / "dataset.json"):
            file.unlink(missing_ok=True)
        return ["no case to train on was converted: there is no dataset"]
    write_dataset_json(folder, len(training), about)
    shares = split.share_out(training, known)
    if not shares.folds:
        splits_file.unlink(missing_ok=True)
        return shares.remarks
    write_json(splits_file, shares.folds)
    return [*shares.remarks, *_stale_splits(folder, shares.folds)]


def _moved(cases: Sequence[str]) -> list[str]:
    if not cases:
        return []
    return [
        f"{len(cases)} cases moved between training and test, for another split or other cases than before: "
        "preprocess again, and do not test models that were trained before"
    ]


def _stale_splits(folder: DatasetFolder, folds: Sequence[Mapping[str, list[str]]]) -> list[str]:
    """nnU-Net stops planning with a bare AssertionError where it finds older splits: say it before."""
    if not nnUNet_preprocessed:
        return []
    copy = Path(nnUNet_preprocessed) / folder.path.name / "splits_final.json"
    if not copy.is_file() or _read_json(copy) == list(folds):
        return []
    return [f"the folds differ from those nnU-Net copied earlier: delete {copy} before you plan again"]


def _with_earlier(outcomes: Sequence[Outcome], folder: DatasetFolder) -> list[Outcome]:
    """`outcomes` and the finished cases of earlier runs that were not asked for now."""
    asked = {outcome.case_id for outcome in outcomes}
    earlier = [
        Outcome(case_id, Status.KEPT, patient_id=record["patient_id"], record=record)
        for case_id, record in folder.records().items()
        if case_id not in asked
    ]
    return [*outcomes, *earlier]
