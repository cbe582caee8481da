"""Evaluate many cases: worker processes, progress, and a worker that dies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn

from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles, evaluate_case
from nnunetv2_raemd.evaluation.options import EvaluationOptions
from nnunetv2_raemd.evaluation.results import CaseResult, LabelSet, Problem
from nnunetv2_raemd.execution.local_processes import worker_pool

Outcome = CaseResult | Problem
_CASES_PER_WORKER = 8  # the start of a worker (torch, MONAI) costs as much as that many large cases


def evaluate_cases(
    cases: Sequence[CaseFiles], labels: LabelSet, options: EvaluationOptions, *, workers: int = 1
) -> list[Outcome]:
    """Evaluate `cases` with a progress bar on stderr; outcomes come in their order.

    Each worker holds one case at a time: a few bytes a voxel of its image, more with the FROC. Few cases are
    evaluated by fewer workers, since starting those would take longer.
    """
    outcomes: dict[int, Outcome] = {}
    with _progress() as progress:
        task = progress.add_task("Evaluating", total=len(cases), problems=0)
        for i, outcome in _outcomes(cases, labels, options, workers):
            outcomes[i] = outcome
            problems = sum(isinstance(found, Problem) for found in outcomes.values())
            progress.update(task, advance=1, problems=problems)
    return [outcomes[i] for i in range(len(cases))]


def _outcomes(
    cases: Sequence[CaseFiles], labels: LabelSet, options: EvaluationOptions, workers: int
) -> Iterator[tuple[int, Outcome]]:
    workers = min(workers, -(-len(cases) // _CASES_PER_WORKER))
    if workers <= 1:
        yield from ((i, evaluate_case(case, labels, options)) for i, case in enumerate(cases))
        return
    unfinished = dict(enumerate(cases))
    try:
        for i, outcome in _pooled(unfinished, labels, options, workers):
            del unfinished[i]
            yield i, outcome
    except BrokenProcessPool:
        # It cannot be told which case ended its worker, so each left over gets a process of its own.
        yield from ((i, _isolated(i, case, labels, options)) for i, case in list(unfinished.items()))


def _isolated(i: int, case: CaseFiles, labels: LabelSet, options: EvaluationOptions) -> Outcome:
    try:
        return next(_pooled({i: case}, labels, options, 1))[1]
    except BrokenProcessPool:
        reason = "the worker process died, most often for want of memory; try fewer workers"
        return Problem(case.case_id, case.fold, f"{case.prediction}: {reason}")


def _pooled(
    cases: dict[int, CaseFiles], labels: LabelSet, options: EvaluationOptions, workers: int
) -> Iterator[tuple[int, Outcome]]:
    with worker_pool(min(workers, len(cases)), one_torch_thread) as pool:
        futures = {pool.submit(evaluate_case, case, labels, options): i for i, case in dict(cases).items()}
        for future in as_completed(futures):
            yield futures[future], future.result()


def one_torch_thread() -> None:
    """For workers: torch's threads would be in each other's way."""
    import torch  # noqa: PLC0415 - only workers need it this early

    torch.set_num_threads(1)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[problems]} with problems"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeLeftColumn(),
        console=Console(stderr=True),
    )
