"""RAEMD-Net on real nodules with a part of the labels, from scratch and pretrained without labels.

    python benchmarks/equal_time/fewer_labels.py --data FOLDER [--output fewer_labels] [--seconds 100]
        [--pretraining 300] [--labels 10 25 100] [--seeds 0] [--folds 0 1]

For each fold, `nnUNetTrainerRAEMDMasked` learns from all its training images to reconstruct hidden slices;
the networks then train on so many percent of the same cases with their labels. Its processor time comes on
top, once for all. Each part of the labels is a fold of its own in nnU-Net's `splits_final.json`. What is done
already stays; the table goes to `fewer_labels.md` in the output folder.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from case_tables import read_cases
from cubes_dataset import DATASET
from label_parts import (
    SCRATCH,
    difference_table,
    fold_folder,
    fold_of,
    parts_parser,
    run_training,
    train_seeds,
    write_splits,
)
from nodule_trainings import evaluate, prepare
from study_commands import environment
from systems import model_name

PRETRAINED = "RAEMD-Net, pretrained"
PERCENTS = (10, 25, 100)


def pretrain(fold: str, options: Namespace, root: Path, variables: Mapping[str, str]) -> Path:
    """The checkpoint of the network that has seen the fold's training images, without labels."""
    trainer = f"nnUNetTrainerRAEMDMasked_{options.pretraining}s_seed0"
    checkpoint = fold_folder(DATASET, trainer, fold, root) / "checkpoint_final.pth"
    if not checkpoint.is_file():
        run_training(DATASET, trainer, fold, variables)
    return checkpoint


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


def main() -> None:
    """Run what is missing and write the table."""
    parser = parts_parser(__doc__, PERCENTS)
    parser.add_argument("--pretraining", type=int, default=300)
    options = parser.parse_args()
    root = options.output.resolve()
    variables = environment(root)
    prepare(options.data, root, variables)
    write_splits(root, options.labels)
    for fold in options.folds:
        weights = pretrain(fold, options, root, variables)
        for percent in options.labels:
            number = fold_of(fold, percent)
            train_seeds(SCRATCH, number, options, root, variables)
            train_seeds(PRETRAINED, number, options, root, variables, "-pretrained_weights", str(weights))
    text = difference_table(measured(options, root, variables), PRETRAINED, "pretrained")
    (root / "fewer_labels.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
