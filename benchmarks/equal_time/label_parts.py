"""Trainings with a part of a fold's labels, which two studies share: parts, trainings, table."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace, RawTextHelpFormatter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from case_tables import bootstrap_interval
from cubes_dataset import DATASET, N_FOLDS
from scipy.stats import wilcoxon
from study_commands import command
from study_plan import PLANS
from systems import model_name

SCRATCH = "RAEMD-Net"
SUBSET_SEED = 12345


def parts_parser(description: str | None, percents: Sequence[int]) -> ArgumentParser:
    """The options that both studies have, with the parts of the labels that they compare."""
    parser = ArgumentParser(description=description, formatter_class=RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("fewer_labels"))
    parser.add_argument("--seconds", type=int, default=100)
    parser.add_argument("--labels", type=int, nargs="+", default=list(percents), metavar="PERCENT")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--folds", nargs="+", default=["0", "1"])
    return parser


def subset(cases: Sequence[str], percent: int) -> list[str]:
    """So many of the cases, the same ones in every larger part."""
    order = np.random.default_rng(SUBSET_SEED).permutation(len(cases))
    return sorted(cases[i] for i in order[: round(len(cases) * percent / 100)])


def fold_of(fold: str, percent: int) -> str:
    """The number of the fold that trains on a part of the labels."""
    return fold if percent == 100 else str(N_FOLDS * percent + int(fold))


def read_splits(root: Path) -> list[dict[str, list[str]]]:
    """nnU-Net's splits of the study, with all parts that were written."""
    file = _splits_file(root)
    splits: list[dict[str, list[str]]] = json.loads(file.read_text(encoding="utf-8"))
    return splits


def write_splits(root: Path, percents: Sequence[int]) -> None:
    """Complete nnU-Net's splits by those with fewer labels; numbers between them repeat the first fold."""
    splits = read_splits(root)[:N_FOLDS]
    wanted = {
        int(fold_of(str(fold), percent)): (fold, percent) for percent in percents for fold in range(N_FOLDS)
    }
    for number in range(N_FOLDS, max(wanted) + 1):
        fold, percent = wanted.get(number, (0, 100))
        train = subset(splits[fold]["train"], percent)
        splits.append({"train": train, "val": splits[fold]["val"]})
    _splits_file(root).write_text(json.dumps(splits, indent=2), encoding="utf-8")


def train_seeds(
    name: str, fold: str, options: Namespace, root: Path, variables: Mapping[str, str], *more: str
) -> None:
    """The trainings of a system that are missing, with more of `nnUNetv2_train`'s options."""
    for seed in options.seeds:
        train_fold(DATASET, trainer_name(name, options, seed), fold, root, variables, *more)


def trainer_name(name: str, options: Namespace, seed: int) -> str:
    """The trainer of a system that ends after the study's seconds."""
    return model_name(name, options.seconds, seed).partition("__")[0]


def train_fold(
    dataset: str, trainer: str, fold: str, root: Path, variables: Mapping[str, str], *more: str
) -> None:
    """A training with its validation, if it is missing."""
    if not (fold_folder(dataset, trainer, fold, root) / "validation" / "summary.json").is_file():
        run_training(dataset, trainer, fold, variables, *more)


def run_training(dataset: str, trainer: str, fold: str, variables: Mapping[str, str], *more: str) -> None:
    """nnU-Net's own command, on the CPU."""
    which = (dataset_id(dataset), "2d", fold, "-tr", trainer, "-p", PLANS, "-device", "cpu")
    command(variables, "nnUNetv2_train", *which, *more)


def dataset_id(dataset: str) -> str:
    """The number in a dataset's name."""
    return dataset.removeprefix("Dataset").partition("_")[0]


def fold_folder(dataset: str, trainer: str, fold: str, root: Path) -> Path:
    """Where nnU-Net keeps what a training left."""
    return root / "nnUNet_results" / dataset / f"{trainer}__{PLANS}__2d" / f"fold_{fold}"


def difference_table(cases: pd.DataFrame, other: str, title: str) -> str:
    """Mean Dice of trainings from scratch and of the other's, and their paired difference, by `percent`."""
    lines = [f"| labels | from scratch | {title} | difference | 95 % interval | p |", "|---" * 6 + "|"]
    for percent, rows in cases.groupby("percent"):
        dice = rows.groupby(["case", "system"])["dice"].mean().unstack()
        difference = dice[other] - dice[SCRATCH]
        low, high = bootstrap_interval(difference.to_numpy())
        cells = [f"{percent} %", *(f"{dice[name].mean():.3f}" for name in (SCRATCH, other))]
        cells += [
            f"{difference.mean():+.3f}",
            f"{low:+.3f} to {high:+.3f}",
            f"{wilcoxon(difference).pvalue:.2g}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _splits_file(root: Path) -> Path:
    return root / "nnUNet_preprocessed" / DATASET / "splits_final.json"
