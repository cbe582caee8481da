"""A job done for the cases of a folder: which cases it was done for, and why not for the others."""

from __future__ import annotations

from collections.abc import Sequence

from nnunetv2_raemd.evaluation.case_results import Problem
from nnunetv2_raemd.execution.backend import Item, Job
from nnunetv2_raemd.execution.local_processes import LocalProcesses
from nnunetv2_raemd.execution.tracked import run_tracked


def run_on_cases(
    title: str, job: Job[Item, str | Problem], cases: Sequence[Item], *, workers: int
) -> tuple[list[str], list[Problem]]:
    """The names of the cases that are done, and the problems, each in the order of the cases.

    Args:
        title: of the progress.
        job: returns the name of a case, or why it cannot be done.
    """
    outcomes = run_tracked(
        title,
        job,
        cases,
        backend=LocalProcesses(workers),
        failed=lambda outcome: isinstance(outcome, Problem),
    )
    done = [outcome for outcome in outcomes if isinstance(outcome, str)]
    return done, [outcome for outcome in outcomes if isinstance(outcome, Problem)]
