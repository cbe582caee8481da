"""RAEMD-Net on real nodules with a part of the labels, from scratch and pretrained without labels.

    python benchmarks/equal_time/fewer_labels.py --data FOLDER [--output fewer_labels] [--seconds 100]
        [--pretraining 300] [--labels 10 25 100] [--seeds 0] [--folds 0 1]

For each fold, `nnUNetTrainerRAEMDMasked` learns from all its training images to reconstruct hidden slices;
the networks then train on so many percent of the same cases with their labels. Its processor time comes on
top, once for all. Each part of the labels is a fold of its own in nnU-Net's `splits_final.json`. What is done
already stays; the table goes to `fewer_labels.md` in the output folder.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace, RawTextHelpFormatter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from case_tables import bootstrap_interval, read_cases
from cubes_dataset import DATASET, DATASET_ID, N_FOLDS
from nodule_trainings import evaluate, prepare
from scipy.stats import wilcoxon
from study_commands import command, environment
from study_plan import PLANS
from systems import model_name

SCRATCH, PRETRAINED = "RAEMD-Net", "RAEMD-Net, pretrained"
SUBSET_SEED = 12345


def subset(cases: Sequence[str], percent: int) -> list[str]:
    """So many of the cases, the same ones in every larger part."""
    order = np.random.default_rng(SUBSET_SEED).permutation(len(cases))
    return sorted(cases[i] for i in order[: round(len(cases) * percent / 100)])


def fold_of(fold: str, percent: int) -> str:
    """The number of the fold that trains on a part of the labels."""
    return fold if percent == 100 else str(N_FOLDS * percent + int(fold))


def write_splits(file: Path, percents: Sequence[int]) -> None:
    """Complete nnU-Net's splits by those with fewer labels; numbers between them repeat the first fold."""
    splits = json.loads(file.read_text(encoding="utf-8"))[:N_FOLDS]
    wanted = {
        int(fold_of(str(fold), percent)): (fold, percent) for percent in percents for fold in range(N_FOLDS)
    }
    for number in range(N_FOLDS, max(wanted) + 1):
        fold, percent = wanted.get(number, (0, 100))
        train = subset(splits[fold]["train"], percent)
        splits.append({"train": train, "val": splits[fold]["val"]})
    file.write_text(json.dumps(splits, indent=2), encoding="utf-8")


def pretrain(fold: str, options: Namespace, root: Path, variables: Mapping[str, str]) -> Path:
    """The checkpoint of the network that has seen the fold's training images, without labels."""
    trainer = f"nnUNetTrainerRAEMDMasked_{options.pretraining}s_seed0"
    checkpoint = _folder(trainer, fold, root) / "checkpoint_final.pth"
    if not checkpoint.is_file():
        train = ("nnUNetv2_train", str(DATASET_ID), "2d", fold, "-tr", trainer, "-p", PLANS, "-device", "cpu")
        command(variables, *train)
    return checkpoint


def fine_tune(
    name: str, fold: str, options: Namespace, root: Path, variables: Mapping[str, str], *more: str
) -> None:
    """A training from scratch or, with nnU-Net's option, from pretrained weights."""
    for seed in options.seeds:
        trainer = model_name(name, options.seconds, seed).partition("__")[0]
        if not (_folder(trainer, fold, root) / "validation" / "summary.json").is_file():
            which = (str(DATASET_ID), "2d", fold, "-tr", trainer, "-p", PLANS)
            command(variables, "nnUNetv2_train", *which, "-device", "cpu", *more)


def measured(options: Namespace, root: Path, variables: Mapping[str, str]) -> pd.DataFrame:
    """Dice of each case, by system, seed and percent of the labels."""
    models = {
        model_name(name, options.seconds, seed): (name, seed)
        for name in (SCRATCH, PRETRAINED)
        for seed in options.seeds
    }
    parts = []
    for percent in options.labels:
        for fold in options.folds:
            number = fold_of(fold, percent)
            cases = evaluate(models, [number], root / f"evaluation_{number}", variables)
            parts.append(read_cases(cases, models).assign(percent=percent))
    return pd.concat(parts)


def table(cases: pd.DataFrame) -> str:
    """Both means at each part of the labels, and their paired difference over the nodules."""
    lines = ["| labels | from scratch | pretrained | difference | 95 % interval | p |", "|---" * 6 + "|"]
    for percent, rows in cases.groupby("percent"):
        dice = rows.groupby(["case", "system"])["dice"].mean().unstack()
        difference = dice[PRETRAINED] - dice[SCRATCH]
        low, high = bootstrap_interval(difference.to_numpy())
        cells = [f"{percent} %", *(f"{dice[name].mean():.3f}" for name in (SCRATCH, PRETRAINED))]
        cells += [
            f"{difference.mean():+.3f}",
            f"{low:+.3f} to {high:+.3f}",
            f"{wilcoxon(difference).pvalue:.2g}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing and write the table."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("fewer_labels"))
    parser.add_argument("--seconds", type=int, default=100)
    parser.add_argument("--pretraining", type=int, default=300)
    parser.add_argument("--labels", type=int, nargs="+", default=[10, 25, 100], metavar="PERCENT")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--folds", nargs="+", default=["0", "1"])
    options = parser.parse_args()
    root = options.output.resolve()
    variables = environment(root)
    prepare(options.data, root, variables)
    write_splits(root / "nnUNet_preprocessed" / DATASET / "splits_final.json", options.labels)
    for fold in options.folds:
        weights = pretrain(fold, options, root, variables)
        for percent in options.labels:
            number = fold_of(fold, percent)
            fine_tune(SCRATCH, number, options, root, variables)
            fine_tune(PRETRAINED, number, options, root, variables, "-pretrained_weights", str(weights))
    text = table(measured(options, root, variables))
    (root / "fewer_labels.md").write_text(text + "\n", encoding="utf-8")
    print(text)


def _folder(trainer: str, fold: str, root: Path) -> Path:
    return root / "nnUNet_results" / DATASET / f"{trainer}__{PLANS}__2d" / f"fold_{fold}"


if __name__ == "__main__":
    main()
