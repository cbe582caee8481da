"""What `raemd lesions` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.execution.case_batch import Failed
from nnunetv2_raemd.lesions.lesion_list import CSV_NAME, JSON_NAME
from nnunetv2_raemd.lesions.measured_lesion import ScanLesions

_SHOWN = 20  # all are in the JSON


def print_lesion_lists(scans: Sequence[ScanLesions], failed: Sequence[Failed], folder: Path) -> int:
    """Print how many were found, what was left out and where the files are.

    Returns:
        the exit status: 1 where a scan failed or something was left out of one.
    """
    console = Console(highlight=False, soft_wrap=True)
    n_lesions = sum(len(scan.lesions) for scan in scans)
    n_without = sum(not scan.lesions for scan in scans)
    without = f", {n_without} of them without any" if n_without else ""
    console.print(f"{counted(n_lesions, 'lesion')} in {counted(len(scans), 'scan')}{without}")
    problems = [f"{scan.case_id}: {scan.reason}" for scan in failed]
    problems += [f"{scan.case_id}: {remark}" for scan in scans for remark in scan.remarks]
    for line in problems[:_SHOWN]:
        console.print(f"[bold red]Problem:[/] {escape(line)}")
    if len(problems) > _SHOWN:
        console.print(f"... and {len(problems) - _SHOWN} more problems, all of them in {JSON_NAME}")
    console.print(f"Lists: {escape(str(folder / CSV_NAME))} and {JSON_NAME}")
    return 1 if problems else 0
