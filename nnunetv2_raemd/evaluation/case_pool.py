"""Many cases evaluated, by worker processes here or by a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles, evaluate_case
from nnunetv2_raemd.evaluation.case_results import CaseResult, Problem
from nnunetv2_raemd.evaluation.evaluation_options import EvaluationOptions
from nnunetv2_raemd.evaluation.surface_distances import has_monai
from nnunetv2_raemd.execution.backend_choice import backend_for
from nnunetv2_raemd.execution.case_batch import Failed, run_cases
from nnunetv2_raemd.nnunet_files.label_set import LabelSet

_CASES_PER_WORKER = 8  # the start of a worker (torch, MONAI) costs as much as that many large cases


@dataclass(frozen=True)
class EvaluationJob:
    """`evaluate_case` as a job for many cases."""

    labels: LabelSet
    options: EvaluationOptions

    def __call__(self, case: CaseFiles, /) -> CaseResult:
        return evaluate_case(case, self.labels, self.options)

    def case_id(self, case: CaseFiles, /) -> str:
        return case.case_id

    def sees(self, case: CaseFiles, /) -> Mapping[str, object]:
        files = {str(file): file.is_file() for file in (case.reference, case.prediction)}
        return {"MONAI": has_monai(), **files}


def evaluate_cases(
    cases: Sequence[CaseFiles],
    labels: LabelSet,
    options: EvaluationOptions,
    *,
    workers: int = 1,
    scheduler: str | None = None,
) -> list[CaseResult | Problem]:
    """Evaluate `cases` and show the progress; outcomes come in their order.

    Each worker holds one case at a time: a few bytes a voxel of its image. Few cases are evaluated by fewer
    processes, since starting those would take longer.

    Args:
        scheduler: address of a dask scheduler whose workers do it instead of processes here.

    Raises:
        UserError: if the scheduler or its workers are at fault.
    """
    processes = min(workers, -(-len(cases) // _CASES_PER_WORKER))
    backend = backend_for(scheduler, processes, _one_torch_thread)
    outcomes = run_cases("Evaluating", EvaluationJob(labels, options), cases, backend=backend)
    return [
        Problem(case.case_id, case.fold, outcome.reason) if isinstance(outcome, Failed) else outcome
        for case, outcome in zip(cases, outcomes, strict=True)
    ]


def _one_torch_thread() -> None:
    """For workers: torch's threads would be in each other's way."""
    import torch  # noqa: PLC0415 - only workers need it this early

    torch.set_num_threads(1)
