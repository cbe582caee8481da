"""What `raemd postprocess` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nnunetv2_raemd.execution.case_batch import Failed, told
from nnunetv2_raemd.postprocessing.determine import Determined


def print_trials(determined: Determined, objective: str, file: Path) -> int:
    """Print what was tried and kept; returns the exit status."""
    console = Console(soft_wrap=True)
    for label in determined.labels:
        title = f"{label.target.name}: {objective} over {len(determined.case_ids)} cases"
        table = Table("step", "best setting", "before", "after", "p", "kept", title=title)
        for trial in label.trials:
            kept = "yes" if trial.kept else "no"
            scores = (f"{trial.before:.4f}", f"{trial.after:.4f}", f"{trial.p_value:.3g}")
            table.add_row(trial.step, str(trial.value), *scores, kept)
        console.print(table)
    if not determined.with_probabilities:
        console.print(
            "Without probability maps for all cases (nnUNetv2_train ... --val --npz), threshold and "
            "component probability were not tried."
        )
    for remark in determined.remarks:
        console.print(f"Note: {escape(remark)}")
    console.print(f"Settings: {escape(str(file))}")
    return print_failed(determined.failed, of=len(determined.case_ids) + len(determined.failed))


def print_failed(failed: Sequence[Failed], *, of: int) -> int:
    """Print which of so many cases failed; returns the exit status: 1 where any did."""
    if failed:
        Console(stderr=True, soft_wrap=True, highlight=False).print(told(failed, of=of), markup=False)
    return 1 if failed else 0
