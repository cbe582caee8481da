"""Gathers everything a report shows into one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from nnunetv2_raemd.evaluation.evaluation_options import in_words
from nnunetv2_raemd.evaluation.metrics import RATED_METRICS
from nnunetv2_raemd.evaluation.result_tables import all_tables
from nnunetv2_raemd.evaluation.summary import check_against, summarize
from nnunetv2_raemd.nnunet_files.checkpoint import ReadCheckpoint, read_checkpoint
from nnunetv2_raemd.nnunet_files.dataset_folders import NnunetDataset
from nnunetv2_raemd.nnunet_files.trained_models import TrainedModel
from nnunetv2_raemd.report.calibration_section import calibration_sections
from nnunetv2_raemd.report.case_panels import make_panels, ranked_by
from nnunetv2_raemd.report.evaluated import Evaluated, evaluate_models
from nnunetv2_raemd.report.froc_plot import froc_plot
from nnunetv2_raemd.report.metric_plots import case_names, metric_plots
from nnunetv2_raemd.report.missing import missing_cases, missing_folds, missing_logs, missing_pictures
from nnunetv2_raemd.report.report_page import Page, TargetSection
from nnunetv2_raemd.report.roles import REFERENCE, Look, looks_of, proposed_of
from nnunetv2_raemd.report.training_curves import training_curves
from nnunetv2_raemd.report.training_log import read_logs
from nnunetv2_raemd.report.training_settings import settings_table, versions_table


@dataclass(frozen=True)
class Subject:
    """What a report is about.

    Attributes:
        baseline: name of the model that the others are compared with.
        n_cases: how many cases to show.
        title: heading of the page; by default it names the trainers and the dataset.
    """

    dataset: NnunetDataset
    models: Sequence[TrainedModel]
    configuration: str
    baseline: str
    n_cases: int
    title: str = ""

    @property
    def names(self) -> list[str]:
        """The names of all models."""
        return [model.name for model in self.models]


def baseline_of(models: Sequence[TrainedModel], against: str | None) -> str:
    """The model to compare with: the one asked for, or the first.

    Raises:
        UserError: if there is none of that name.
    """
    names = [model.name for model in models]
    check_against(against, names)
    return against or names[0]


def make_page(subject: Subject, *, workers: int = 1, read: ReadCheckpoint = read_checkpoint) -> Page:
    """Gather the whole page; what is not there is said on it, in `Page.missing`.

    Args:
        read: how checkpoints are opened.

    Raises:
        UserError: if there are no references.
    """
    made_on = datetime.now().astimezone().strftime("%d %B %Y, %H:%M %Z").lstrip("0")
    logs = {model.name: read_logs(model, read) for model in subject.models}
    curves = {name: found for name, (found, _) in logs.items()}
    looks = looks_of(subject.names, subject.baseline)
    evaluated = evaluate_models(subject.dataset, subject.models, workers=workers)
    ranking = _ranking_system(subject, evaluated)
    panels = make_panels(evaluated, ranking, subject.n_cases) if evaluated and ranking else []
    calibrations, unread = calibration_sections(subject.models)
    return Page(
        title=subject.title or _title(subject),
        made_on=made_on,
        facts=_facts(subject, evaluated),
        missing=[
            *missing_folds(subject.models),
            *missing_logs(logs),
            *missing_cases(evaluated),
            *missing_pictures(panels),
            *unread,
        ],
        targets=_targets(subject, evaluated, looks) if evaluated else [],
        calibrations=calibrations,
        curves=training_curves(curves, looks),
        cases=panels,
        case_names=case_names(evaluated.evaluation) if evaluated else {},
        looks=[REFERENCE, *looks.values()],
        ranked=ranked_by(evaluated, ranking) if evaluated and ranking else "",
        settings=[settings_table(subject.models, curves, subject.configuration), versions_table()],
    )


def _title(subject: Subject) -> str:
    if len(subject.models) == 1:
        return f"{subject.baseline} on {subject.dataset.name}"
    return (
        f"{proposed_of(subject.names, subject.baseline)} against {subject.baseline} on {subject.dataset.name}"
    )


def _facts(subject: Subject, evaluated: Evaluated | None) -> dict[str, str]:
    facts = {
        "Dataset": subject.dataset.name,
        "Configuration": subject.configuration,
        **_compared(subject),
        "Validated": "; ".join(
            f"{model.name}: fold {', '.join(model.validated_folds) or 'none'}" for model in subject.models
        ),
    }
    if evaluated is None:
        return facts | {"Evaluation": "No fold of any trainer is validated yet."}
    cases = (f"{system.name}: {len(system.cases)}" for system in evaluated.evaluation.systems)
    return facts | {
        "Cases evaluated": "; ".join(cases),
        "Evaluation": f"{evaluated.origin} {in_words(evaluated.evaluation.settings)}",
    }


def _compared(subject: Subject) -> dict[str, str]:
    """Who is who, where there is something to compare."""
    if len(subject.models) == 1:
        return {"Trainer": subject.baseline}
    return {"Baseline": subject.baseline, "Proposed": proposed_of(subject.names, subject.baseline)}


def _targets(subject: Subject, evaluated: Evaluated, looks: Mapping[str, Look]) -> list[TargetSection]:
    evaluation = evaluated.evaluation
    names = [system.name for system in evaluation.systems if system.cases]
    baseline = subject.baseline if subject.baseline in names else None
    summary = summarize(evaluation, against=baseline)
    return [
        TargetSection(
            target.name,
            all_tables(summary, target.name),
            [
                metric_plots(evaluation, target.name, metric, looks=looks, baseline=baseline)
                for metric in RATED_METRICS
            ],
            froc_plot([found for found in summary.targets if found.target == target.name], looks),
        )
        for target in evaluation.labels.targets
    ]


def _ranking_system(subject: Subject, evaluated: Evaluated | None) -> str | None:
    """The proposed system, or where it has no case, the last that has."""
    systems = evaluated.evaluation.systems if evaluated else ()
    with_cases = [system.name for system in systems if system.cases]
    proposed = proposed_of(subject.names, subject.baseline)
    if proposed in with_cases:
        return proposed
    return with_cases[-1] if with_cases else None
