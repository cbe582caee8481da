"""From a plan of cases to a complete nnU-Net dataset with its report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nnunetv2.paths import nnUNet_preprocessed

from nnunetv2_raemd.dataset_conversion.batch import run_cases
from nnunetv2_raemd.dataset_conversion.case import ConversionPlan, Outcome, Status
from nnunetv2_raemd.dataset_conversion.nnunet_dataset import (
    DatasetDescription,
    DatasetFolder,
    write_dataset_json,
    write_json,
)
from nnunetv2_raemd.dataset_conversion.report import write_report
from nnunetv2_raemd.dataset_conversion.splits import grouped_folds
from nnunetv2_raemd.errors import UserError


@dataclass(frozen=True)
class RunOptions:
    """How a conversion runs; none of these changes what a case becomes."""

    workers: int = 1
    limit: int | None = None
    overwrite: bool = False
    strict: bool = False
    folds: int = 5
    seed: int = 12345


@dataclass(frozen=True)
class ConversionResult:
    """Outcomes of the cases asked for, and what the user should know beside them."""

    folder: Path
    outcomes: tuple[Outcome, ...]
    remarks: tuple[str, ...] = field(default=())

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return tuple(o for o in self.outcomes if o.status is Status.FAILED)


def limited(plan: ConversionPlan, limit: int | None) -> ConversionPlan:
    """The plan cut to its first `limit` cases; what was rejected while planning stays."""
    return plan if limit is None else replace(plan, cases=plan.cases[:limit])


def convert(
    plan: ConversionPlan,
    folder: DatasetFolder,
    about: DatasetDescription,
    *,
    settings: Mapping[str, Any],
    options: RunOptions,
) -> ConversionResult:
    """Convert the planned cases into `folder`; those that an earlier run finished are kept.

    `settings` are the choices that decide what a mask is: a folder never holds cases of different ones.
    Raises `UserError` where it would, where the folder holds images of other origin, or (strict) at the first
    bad case.
    """
    plan = limited(plan, options.limit)
    _prepare(folder, settings, overwrite=options.overwrite)
    if options.strict and plan.rejected:
        first = plan.rejected[0]
        raise UserError(f"{first.case_id}: {first.reason} (--strict stops at the first failure)")
    for rejected in plan.rejected:
        folder.discard(rejected.case_id)
    converted = run_cases(plan.cases, folder, workers=options.workers, strict=options.strict)
    outcomes = (*plan.rejected, *converted)
    remarks = (*plan.remarks, *_complete(folder, about, options))
    write_report(folder, _with_earlier(outcomes, folder), settings=settings, remarks=plan.remarks)
    return ConversionResult(folder.path, outcomes, remarks)


def _prepare(folder: DatasetFolder, settings: Mapping[str, Any], *, overwrite: bool) -> None:
    foreign = folder.foreign_cases()
    if foreign:
        raise UserError(
            f"{folder.path} holds {len(foreign)} images that this command did not write, as {foreign[0]}; "
            "choose another --dataset-id or remove them."
        )
    if overwrite:
        for case_id in folder.recorded_cases():
            folder.discard(case_id)
    folder.prepare()
    settings_file = folder.path / ".conversion" / "settings.json"
    if folder.recorded_cases() and _read_json(settings_file) != dict(settings):
        raise UserError(
            f"{folder.path} was converted with other settings, see {settings_file}; "
            "give --overwrite to convert everything anew, or choose another --dataset-id."
        )
    write_json(settings_file, dict(settings))


def _read_json(file: Path) -> object:
    """What the file says, None where it is absent or damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _complete(folder: DatasetFolder, about: DatasetDescription, options: RunOptions) -> Sequence[str]:
    """Write `dataset.json` and `splits_final.json` over all finished cases; returns remarks."""
    patients = {case_id: record["patient_id"] for case_id, record in folder.records().items()}
    splits_file = folder.path / "splits_final.json"
    if not patients:
        for file in (splits_file, folder.path / "dataset.json"):
            file.unlink(missing_ok=True)
        return ["no case was converted: there is no dataset"]
    write_dataset_json(folder, len(patients), about)
    folds = grouped_folds(patients, folds=options.folds, seed=options.seed)
    if not folds:
        splits_file.unlink(missing_ok=True)
        return ["all cases are of one patient: no splits_final.json; train with fold 'all'"]
    write_json(splits_file, folds)
    fewer = [f"only {len(folds)} folds, one per patient"] if len(folds) < options.folds else []
    return [*fewer, *_stale_splits(folder, folds)]


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
