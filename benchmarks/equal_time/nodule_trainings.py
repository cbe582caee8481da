"""Trainings on the real nodules, which three studies share: the dataset, the trainings, their evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cubes_dataset import DATASET, DATASET_ID, write_dataset
from study_commands import command, is_planned, plan_and_preprocess


def train(models: Iterable[str], folds: Sequence[str], variables: Mapping[str, str]) -> None:
    """The trainings that are missing."""
    command(variables, "raemd", "study", *_which(models, folds), "-device", "cpu")


def evaluate(models: Iterable[str], folds: Sequence[str], folder: Path, variables: Mapping[str, str]) -> Path:
    """The file with the figures of every nodule, in an evaluation of its own."""
    command(variables, "raemd", "evaluate", *_which(models, folds), "-np", "1", "-o", str(folder))
    return folder / "cases.csv"


def prepare(data: Path, root: Path, variables: Mapping[str, str]) -> None:
    """The dataset, preprocessed, with the study's plan, if it is not there."""
    if not is_planned(DATASET, root):
        write_dataset(data, root / "nnUNet_raw")
        plan_and_preprocess(DATASET, root, variables)


def _which(models: Iterable[str], folds: Sequence[str]) -> tuple[str, ...]:
    return ("-d", str(DATASET_ID), "-tr", *models, "--folds", *folds)
