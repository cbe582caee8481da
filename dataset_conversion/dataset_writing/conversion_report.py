"""`conversion_report.json` and `.csv`: what became of every case, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnunetv2_raemd.csv_text import csv_of_records
from nnunetv2_raemd.dataset_conversion.case import Outcome, Status
from nnunetv2_raemd.dataset_conversion.dataset_folder import DatasetFolder
from nnunetv2_raemd.version import __version__
from nnunetv2_raemd.whole_files import write_json, write_text

_PART_NAMES = {"Tr": "training", "Ts": "test"}
# columns of what sources hold and masks do not: what they are, as the terminal says it
_LEFT_OUT = {
    "uncertain_nodules": "nodules of too few readers",
    "small_nodule_marks": "readers' marks of nodules below 3 mm",
    "non_nodule_marks": "readers' marks of findings that are not nodules",
}
_BOOKKEEPING = ("fingerprint", "sources_sha256", "patient_id")


def write_report(
    folder: DatasetFolder, outcomes: Sequence[Outcome], *, settings: Mapping[str, Any], remarks: Sequence[str]
) -> None:
    """Write both reports into the dataset folder, cases sorted by name.

    They hold no dates or durations, so that the same input gives the same bytes.
    """
    rows = [_row(outcome, folder) for outcome in sorted(outcomes, key=lambda o: o.case_id)]
    report = {
        "converter": f"nnunetv2-raemd {__version__}",
        "settings": dict(settings),
        "remarks": list(remarks),
        "counts": count_by_status(outcomes),
        "not_in_masks": left_out(outcomes),
        "cases": rows,
    }
    write_json(folder.path / "conversion_report.json", report)
    write_text(folder.path / "conversion_report.csv", _as_csv(rows))


def remove_report(folder: DatasetFolder) -> None:
    """Remove both reports, which may name what must not be named again."""
    for file in folder.path.glob("conversion_report.*"):
        file.unlink()


def count_by_status(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Number of cases in the dataset, failed and excluded."""
    return {
        "in dataset": sum(o.in_dataset for o in outcomes),
        "failed": sum(o.status is Status.FAILED for o in outcomes),
        "excluded": sum(o.status is Status.EXCLUDED for o in outcomes),
    }


def left_out(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """What sources hold and masks do not, over all cases, by column; those that no case has are absent."""
    numbers = {column: [o.record.get(column) for o in outcomes] for column in _LEFT_OUT}
    return {
        column: sum(known)
        for column, found in numbers.items()
        if (known := [number for number in found if number is not None])
    }


def about_left_out(outcomes: Sequence[Outcome]) -> list[str]:
    """The same as a remark, where there is any."""
    numbers = [f"{number} {_LEFT_OUT[column]}" for column, number in left_out(outcomes).items() if number]
    return [f"not drawn as nodules: {', '.join(numbers)}"] if numbers else []


def _row(outcome: Outcome, folder: DatasetFolder) -> dict[str, Any]:
    # whether a case was converted now or earlier must not change the report
    status = "in dataset" if outcome.in_dataset else outcome.status.value
    head = {
        "case": outcome.case_id,
        "patient": outcome.patient_id,
        "status": status,
        "part": _PART_NAMES[folder.part(outcome.case_id)] if outcome.in_dataset else "",
        "reason": outcome.reason,
    }
    return {**head, **{k: v for k, v in outcome.record.items() if k not in _BOOKKEEPING}}


def _as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    return csv_of_records([{column: _cell(value) for column, value in row.items()} for row in rows])


def _cell(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return "; ".join(str(v) for v in value)
    return "" if value is None else value
