"""A conversion as the user sees it: what would be done, what was done, what failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.dataset_conversion.case import FoundCases, Outcome, Status
from nnunetv2_raemd.dataset_conversion.dataset_description import DatasetDescription
from nnunetv2_raemd.dataset_conversion.dataset_folder import DatasetFolder
from nnunetv2_raemd.dataset_conversion.dataset_writing.conversion import (
    ConversionResult,
    RunOptions,
    convert,
    known_cases,
    limited,
)
from nnunetv2_raemd.dataset_conversion.dataset_writing.conversion_report import (
    about_left_out,
    count_by_status,
)
from nnunetv2_raemd.errors import UserError

INTERRUPTED = 130  # what shells give for Ctrl-C
_SHOWN = 20  # longer lists are in the report


def show_found(found: FoundCases, folder: DatasetFolder, options: RunOptions) -> None:
    """Print what a conversion would do; writes nothing.

    Raises:
        UserError: if it cannot split so.
    """
    console = Console(soft_wrap=True, highlight=False, markup=False)
    test_cases = options.split.test_cases(known_cases(found, folder, options))
    found = limited(found, options.limit)
    recorded = set(() if options.overwrite else folder.recorded_cases())
    present = sum(case.case_id in recorded for case in found.cases)
    tested = sum(case.case_id in test_cases for case in found.cases)
    console.print(
        f"Would write {len(found.cases)} cases to {folder.path} ({present} there already, {tested} to test), "
        f"leaving out {len(found.rejected)}."
    )
    _list(console, [f"{case.case_id}: {case.summary()}" for case in found.cases])
    _explain(console, found.rejected)
    for remark in found.remarks:
        console.print(f"Note: {remark}")


def run(
    found: FoundCases,
    folder: DatasetFolder,
    about: DatasetDescription,
    *,
    settings: Mapping[str, Any],
    options: RunOptions,
) -> int:
    """Convert, print the outcome, and return the exit status: 1 where any case failed, 130 after Ctrl-C."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        result = convert(found, folder, about, settings=settings, options=options)
    except KeyboardInterrupt:
        console.print("Interrupted. The same command continues from here.")
        return INTERRUPTED
    except OSError as error:
        raise UserError(
            f"the conversion into {folder.path} stopped: {error}. "
            "Run the same command again once that is solved"
        ) from error
    _print_result(console, result, options)
    whole = not result.failed and not result.undrawn and any(o.in_dataset for o in result.outcomes)
    return 0 if whole else 1


def _print_result(console: Console, result: ConversionResult, options: RunOptions) -> None:
    counts = count_by_status(result.outcomes)
    kept = sum(o.status is Status.KEPT for o in result.outcomes)
    console.print(
        ", ".join(f"{number} {name}" for name, number in counts.items()) + f" ({kept} from earlier runs)"
    )
    _explain(console, [o for o in result.outcomes if not o.in_dataset])
    noted = sum(bool(o.record.get("checks")) for o in result.outcomes)
    if noted:
        console.print(f"Note: remarks on {counted(noted, 'case')} in the column 'checks' of the report")
    for remark in (*about_left_out(result.outcomes), *result.remarks):
        console.print(f"Note: {remark}")
    _list(console, [f"{case}: no picture: {reason}" for case, reason in result.undrawn.items()])
    if (result.folder / "dataset.json").is_file():
        console.print(f"Dataset: {result.folder}")
    console.print(f"Report: {result.folder / 'conversion_report.csv'}")
    if options.qc:
        console.print(f"Pictures: {result.folder / 'qc' / 'index.html'}")


def _explain(console: Console, outcomes: Sequence[Outcome]) -> None:
    """A line for each reason, with the case or the cases that it is of."""
    same: dict[str, list[str]] = defaultdict(list)
    for outcome in outcomes:
        same[f"{outcome.status.value}: {outcome.reason}"].append(outcome.case_id)
    _list(console, [f"{_one_or_number(cases)}: {reason}" for reason, cases in same.items()])


def _one_or_number(cases: Sequence[str]) -> str:
    return cases[0] if len(cases) == 1 else f"{len(cases)} cases, as {cases[0]}"


def _list(console: Console, lines: list[str]) -> None:
    for line in lines[:_SHOWN]:
        console.print(f"  {line}")
    if len(lines) > _SHOWN:
        console.print(f"  ... and {len(lines) - _SHOWN} more")
