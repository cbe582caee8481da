"""Folders of predictions against a folder of references: what belongs together, and its evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles
from nnunetv2_raemd.evaluation.case_pool import evaluate_cases
from nnunetv2_raemd.evaluation.case_results import CaseResult, Evaluation, Problem, SystemResult
from nnunetv2_raemd.evaluation.evaluation_options import DEFAULT_OPTIONS, EvaluationOptions
from nnunetv2_raemd.evaluation.surface_distances import has_monai
from nnunetv2_raemd.nnunet_files.label_set import LabelSet
from nnunetv2_raemd.nnunet_files.patients import SharedPatients
from nnunetv2_raemd.nnunet_files.segmentation_folder import ReferenceFolder, list_cases


@dataclass(frozen=True)
class PredictionFolder:
    """Predictions named as their references.

    Attributes:
        expected: cases that should be there, and no others.
        fold: of nnU-Net's cross-validation; None outside.
        trained_on: cases among them that the same model was trained on, too.
        shared_patients: who were trained on by other scans of theirs; None where none is known.
    """

    path: Path
    expected: frozenset[str]
    fold: str | None = None
    trained_on: frozenset[str] = frozenset()
    shared_patients: SharedPatients | None = None

    def about_trained_on(self) -> str | None:
        """A sentence on the cases that were trained on; None where there are none."""
        if not self.trained_on:
            return None
        return (
            f"fold {self.fold} was trained on {len(self.trained_on)} of the {len(self.expected)} cases that "
            f"it is validated on, such as {min(self.trained_on)}"
        )


@dataclass(frozen=True)
class System:
    """Something that predicts: a name and its folders, one a fold."""

    name: str
    folders: tuple[PredictionFolder, ...]


@dataclass(frozen=True)
class Material:
    """All that is to be evaluated, and the folder in which the results belong."""

    systems: tuple[System, ...]
    reference: ReferenceFolder
    labels: LabelSet
    output: Path


def evaluate_folders(
    systems: Sequence[System],
    reference: ReferenceFolder,
    labels: LabelSet,
    *,
    options: EvaluationOptions = DEFAULT_OPTIONS,
    workers: int = 1,
    scheduler: str | None = None,
) -> Evaluation:
    """Evaluate every case of every system; cases with something wrong become problems of their system.

    Without MONAI, HD95 and ASSD are not measured; the settings of the evaluation say so.

    Raises:
        UserError: if a folder does not exist or nothing is there to evaluate.
    """
    options = replace(options, surface_distances=options.surface_distances and has_monai())
    present = frozenset(reference.case_ids())
    cases = [case_files(system, reference) for system in systems]
    if not any(cases):
        searched = ", ".join(str(folder.path) for system in systems for folder in system.folders)
        raise UserError(f"no case to evaluate: no *{reference.file_ending} in {searched}")
    every = [case for some in cases for case in some]
    outcomes = iter(evaluate_cases(every, labels, options, workers=workers, scheduler=scheduler))
    results = []
    for system, own_cases in zip(systems, cases, strict=True):
        own = [next(outcomes) for _ in own_cases]
        evaluated = tuple(outcome for outcome in own if isinstance(outcome, CaseResult))
        problems = [outcome for outcome in own if isinstance(outcome, Problem)]
        problems += [
            Problem(case.case_id, case.fold, remark) for case in evaluated for remark in case.remarks
        ]
        problems += [*_trained_on(system), *_shared_patients(system), *_surplus(system, reference, present)]
        results.append(SystemResult(system.name, evaluated, tuple(problems)))
    return Evaluation(labels, tuple(results), options.described())


def case_files(system: System, reference: ReferenceFolder) -> list[CaseFiles]:
    """All expected cases in order, present or not: files that are missing are found out when read."""
    ending = reference.file_ending
    return [
        CaseFiles(
            case_id,
            folder.fold,
            prediction=folder.path / f"{case_id}{ending}",
            reference=reference.path / f"{case_id}{ending}",
            probabilities=folder.path / f"{case_id}.npz",
            reader=reference.reader,
        )
        for folder in system.folders
        for case_id in sorted(folder.expected)
    ]


def check_none_trained_on(system: System) -> None:
    """Raise a `UserError` if a case was trained on: what is learned from it would be too confident."""
    for folder in system.folders:
        if (about := folder.about_trained_on()) is not None:
            raise UserError(f"{about}: only cases that the model has not seen tell how good it is")


def about_shared_patients(system: System) -> list[str]:
    """A sentence for each fold with patients who were trained on by other scans of theirs."""
    return [problem.reason for problem in _shared_patients(system)]


def _shared_patients(system: System) -> list[Problem]:
    return [
        Problem(
            folder.shared_patients.validated,
            folder.fold,
            f"fold {folder.fold} has {folder.shared_patients.told()}: its figures are too good for other "
            "patients; correct splits_final.json and train again",
        )
        for folder in system.folders
        if folder.shared_patients is not None
    ]


def _trained_on(system: System) -> list[Problem]:
    return [
        Problem(min(folder.trained_on), folder.fold, f"{about}: their figures say nothing about other scans")
        for folder in system.folders
        if (about := folder.about_trained_on()) is not None
    ]


def _surplus(system: System, reference: ReferenceFolder, present: frozenset[str]) -> list[Problem]:
    problems = []
    for folder in system.folders:
        for case_id in list_cases(folder.path, reference.file_ending):
            if case_id in folder.expected:
                continue
            why = "is not of this fold" if case_id in present else f"has no reference in {reference.path}"
            file = folder.path / f"{case_id}{reference.file_ending}"
            problems.append(Problem(case_id, folder.fold, f"{file} {why}: left out"))
    return problems
