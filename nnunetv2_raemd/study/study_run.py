"""A study: the trainings of some models on some folds, until all are done or have failed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from rich.console import Console

from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.backend import Backend
from nnunetv2_raemd.nnunet_files.dataset_folders import find_dataset
from nnunetv2_raemd.nnunet_files.patients import patients_of_cases, shared_in_fold
from nnunetv2_raemd.nnunet_files.splits_file import read_splits
from nnunetv2_raemd.study.single_training import Training
from nnunetv2_raemd.study.training_board import Board
from nnunetv2_raemd.study.training_job import TrainingJob


def find_trainings(dataset: str, models: Sequence[str], folds: Sequence[str]) -> list[Training]:
    """All trainings, fold by fold, so that the first folds of all models can be compared early.

    Args:
        dataset: number or name.
        models: named as TRAINER__PLANS__CONFIGURATION.
        folds: such as "0" or "all".

    Raises:
        UserError: if nnU-Net does not know the dataset, it has no such plans, a fold is none, or what is to
            be trained yet is not preprocessed.
    """
    for fold in folds:
        if not fold.isdecimal() and fold != "all":
            raise UserError(f"--folds {fold}: folds are numbers from 0 on, or all")
    folders = find_dataset(dataset)
    trainings = [
        Training(folders.results, model, fold) for fold, model in product(dict.fromkeys(folds), models)
    ]
    for model in models:
        data = _data_folder(model, folders.preprocessed)
        if not data.is_dir() and any(t.model == model and not t.is_done for t in trainings):
            _, plans, configuration = model.split("__")
            raise UserError(
                f"{data} does not exist: run nnUNetv2_preprocess with -plans_name {plans} -c {configuration}"
            )
    return trainings


def about_folds(dataset: str, folds: Sequence[str]) -> list[str]:
    """A sentence for each fold that has patients in training and validation, as far as it is known."""
    folders = find_dataset(dataset)
    splits = read_splits(folders.preprocessed / "splits_final.json")
    patients = patients_of_cases(folders.raw)
    found = {fold: shared_in_fold(fold, splits, patients) for fold in dict.fromkeys(folds)}
    return [
        f"fold {fold} has {shared.told()}: its validation is too good for other patients, correct "
        "splits_final.json"
        for fold, shared in found.items()
        if shared is not None
    ]


def _data_folder(model: str, preprocessed: Path) -> Path:
    """Where nnU-Net keeps the data that a model is trained on.

    Raises:
        UserError: if there is no such plan, or it has no such configuration.
    """
    from nnunetv2_raemd.plans.plan_conversion import resolve  # noqa: PLC0415 - imports torch
    from nnunetv2_raemd.plans.plan_files import read_plan  # noqa: PLC0415 - as above

    _, plans, configuration = model.split("__")
    plan = read_plan(preprocessed / f"{plans}.json")
    if configuration not in plan["configurations"]:
        known = ", ".join(plan["configurations"])
        raise UserError(f"the plan {plans} has no configuration {configuration}, only {known}")
    return preprocessed / str(resolve(plan, configuration)["data_identifier"])


def run_study(trainings: Sequence[Training], job: TrainingJob, backend: Backend, console: Console) -> int:
    """Run what is missing; returns the number of trainings that failed.

    Raises:
        UserError: if the backend is not there or its workers are unfit.
    """
    backend.check()
    board = Board(trainings, console)
    missing = [training for training in trainings if training not in board.outcomes]
    console.print(f"{counted(len(trainings), 'training')}, {len(missing)} of them to run", highlight=False)
    with board.shown():
        for outcome in backend.run(job, missing):
            board.add(outcome)
    failed = [outcome for outcome in board.outcomes.values() if outcome.problem]
    for outcome in failed:
        console.print(
            f"failed: {outcome.training.name} ({outcome.problem}); all that it printed is in "
            f"{outcome.training.log}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    return len(failed)
