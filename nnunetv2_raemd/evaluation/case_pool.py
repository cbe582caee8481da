"""Evaluate many cases in worker processes; one that ends its worker costs no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles, evaluate_case
from nnunetv2_raemd.evaluation.case_results import CaseResult, Problem
from nnunetv2_raemd.evaluation.evaluation_options import EvaluationOptions
from nnunetv2_raemd.execution.local_processes import LocalProcesses
from nnunetv2_raemd.execution.tracked import run_tracked
from nnunetv2_raemd.nnunet_files.label_set import LabelSet
from nnunetv2_raemd.version import __version__

Outcome = CaseResult | Problem
_CASES_PER_WORKER = 8  # the start of a worker (torch, MONAI) costs as much as that many large cases


@dataclass(frozen=True)
class EvaluationJob:
    """`evaluate_case` as a job for a backend."""

    labels: LabelSet
    options: EvaluationOptions

    def __call__(self, case: CaseFiles, /) -> Outcome:
        return evaluate_case(case, self.labels, self.options)

    def sees(self, case: CaseFiles, /) -> Mapping[str, object]:
        files = {str(file): file.is_file() for file in (case.reference, case.prediction)}
        return {"the version of nnunetv2-raemd": __version__} | files

    def gave_up(self, case: CaseFiles, reason: str, /) -> Outcome:
        return Problem(case.case_id, case.fold, f"{case.prediction}: {reason}")


def evaluate_cases(
    cases: Sequence[CaseFiles], labels: LabelSet, options: EvaluationOptions, *, workers: int = 1
) -> list[Outcome]:
    """Evaluate `cases` and show the progress; outcomes come in their order.

    Each worker holds one case at a time: a few bytes a voxel of its image. Few cases are evaluated by fewer
    workers, since starting those would take longer.
    """
    backend = LocalProcesses(min(workers, -(-len(cases) // _CASES_PER_WORKER)), _one_torch_thread)
    return run_tracked(
        "Evaluating",
        EvaluationJob(labels, options),
        cases,
        backend=backend,
        failed=lambda outcome: isinstance(outcome, Problem),
    )


def _one_torch_thread() -> None:
    """For workers: torch's threads would be in each other's way."""
    import torch  # noqa: PLC0415 - only workers need it this early

    torch.set_num_threads(1)
