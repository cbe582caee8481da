"""What a report cannot show, a sentence each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nnunetv2_raemd.nnunet_files.trained_models import TrainedModel
from nnunetv2_raemd.report.case_panels import CasePanel
from nnunetv2_raemd.report.evaluated import Evaluated
from nnunetv2_raemd.report.training_log import TrainingLog


def missing_folds(models: Iterable[TrainedModel]) -> list[str]:
    """Folds that are not trained or not validated."""
    sentences = []
    for model in models:
        for fold in model.folds:
            if fold not in model.trained_folds:
                sentences.append(f"{model.name}, fold {fold}: not trained.")
            elif fold not in model.validated_folds:
                sentences.append(f"{model.name}, fold {fold}: not validated (nnUNetv2_train ... --val).")
    return sentences


def missing_logs(logs: Mapping[str, tuple[Sequence[TrainingLog], Sequence[str]]]) -> list[str]:
    """Trainings without a log (the reasons as `read_logs` gives them), or not at their end."""
    sentences = []
    for name, (found, reasons) in logs.items():
        sentences += [f"{name}: no training curve: {reason}." for reason in reasons]
        sentences += [
            f"{name}, fold {log.fold}: training has not come to its end." for log in found if not log.finished
        ]
    return sentences


def missing_cases(evaluated: Evaluated | None) -> list[str]:
    """Cases left out of tables and plots, or with files that are odd."""
    sentences = []
    for system in evaluated.evaluation.systems if evaluated else ():
        shown = {case.case_id for case in system.cases}
        for problem in system.problems:
            left_out = "" if problem.case_id in shown else "left out: "
            sentences.append(f"{system.name}, case {problem.case_id}: {left_out}{problem.reason}.")
    return sentences


def missing_pictures(panels: Iterable[CasePanel]) -> list[str]:
    """Images and predictions that the viewer lacks."""
    return [f"Case {panel.chosen.case_id}: {problem}" for panel in panels for problem in panel.problems]
