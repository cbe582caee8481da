"""Trainings on the real nodules, which three studies share: the dataset, the trainings, their evaluation."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cubes_dataset import DATASET, DATASET_ID, write_dataset
from study_commands import command, environment, is_planned, plan_and_preprocess
from systems import models_of


class NoduleStudy(NamedTuple):
    """What a command line asked for: its options, the output folder, nnU-Net's variables, and the models."""

    options: Namespace
    root: Path
    variables: dict[str, str]
    models: dict[str, tuple[str, int]]


def trained_study(parser: ArgumentParser, seconds: int) -> NoduleStudy:
    """Read the command line and run the trainings that are missing, of so many seconds by default."""
    parser.add_argument("--output", type=Path, default=Path("real_nodules"))
    parser.add_argument("--seconds", type=int, default=seconds)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    root = options.output.resolve()
    variables = environment(root)
    prepare(options.data, root, variables)
    models = models_of(options.systems, options.seconds, options.seeds)
    train(models, options.folds, variables)
    return NoduleStudy(options, root, variables, models)


def train(models: Iterable[str], folds: Sequence[str], variables: Mapping[str, str]) -> None:
    """The trainings that are missing."""
    which = ("-d", str(DATASET_ID), "-tr", *models, "--folds", *folds)
    command(variables, "raemd", "study", *which, "-device", "cpu")


def evaluate(
    models: Iterable[str],
    folds: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    dataset: str = str(DATASET_ID),
) -> Path:
    """The file with the figures of every nodule, in an evaluation of its own."""
    which = ("-d", dataset, "-tr", *models, "--folds", *folds)
    command(variables, "raemd", "evaluate", *which, "-np", "1", "-o", str(folder))
    return folder / "cases.csv"


def prepare(data: Path, root: Path, variables: Mapping[str, str]) -> None:
    """The dataset, preprocessed, with the study's plan, if it is not there."""
    if not is_planned(DATASET, root):
        write_dataset(data, root / "nnUNet_raw")
        plan_and_preprocess(DATASET, root, variables)
