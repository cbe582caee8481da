"""RAEMD-Net, its variants and nnU-Net's U-Nets on real nodules, trained to convergence at equal iterations.

    python benchmarks/equal_iterations/study.py --data FOLDER (--seconds 435 | --steps N)
        [--output equal_iterations] [--also-at 0.5] [--folds 0 1 2 3 4] [--systems NAME ...] [--device cuda]
        [--seed 0]

FOLDER holds `cubes.npz`, as for `benchmarks/equal_time`, whose dataset, plan and folds these are; what is in
the output folder already is not prepared again. All systems of all folds are trained side by side on one GPU,
whole training steps (forward, nnU-Net's loss, backward, clipping, optimizer, moving average) as CUDA graphs,
and all systems of a fold on the same batches, which nnU-Net's loaders and augmentation make in 15 processes
for five folds. They end together, after so many seconds or iterations, with the learning rate scaled to
that; `--also-at` also evaluates them before, in time that counts. `--device cpu` does the same steps without
graphs, to try it out. Dice of each held-out nodule goes to `dice.csv` in the output folder.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawTextHelpFormatter
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import pandas as pd
import torch
from captured_training import CapturedTraining
from fold_trainings import FoldTrainings, IterationCount, Length, WallTime, train
from nodule_dataset import NoduleDataset, prepared
from shared_batches import KINDS, Streams, produced_batches
from trained_systems import NOT_BY_DEFAULT, SYSTEMS

FOLDS = range(5)
CONNECTIONS = "CUDA_DEVICE_MAX_CONNECTIONS"


def parse(words: Sequence[str] | None = None) -> Namespace:
    """The command line, with the device that it names."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawTextHelpFormatter)
    default = [name for name in SYSTEMS if name not in NOT_BY_DEFAULT]
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("equal_iterations"))
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--seconds", type=positive)
    length.add_argument("--steps", type=positive)
    parser.add_argument("--also-at", type=part, nargs="+", default=[], metavar="PART")
    parser.add_argument("--folds", type=int, nargs="+", choices=FOLDS, default=list(FOLDS))
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=default)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(words)
    # counted without starting CUDA, which processes that are forked afterwards could not use
    if options.device == "cuda" and not torch.cuda.device_count():
        parser.error("no GPU was found: --device cpu does a few steps without one")
    options.device = torch.device(options.device)
    return options


def positive(text: str) -> int:
    """A number of seconds or steps."""
    number = int(text)
    if number < 1:
        raise ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def part(text: str) -> float:
    """A part of the training."""
    number = float(text)
    if not 0 < number <= 1:
        raise ArgumentTypeError(f"must be above 0 and at most 1, got {number}")
    return number


def make_fast(streams: Streams) -> None:
    """Products in TF32, which is precise enough for trainings, and batches that the GPU reads itself."""
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    print(torch.cuda.get_device_name(0), torch.__version__, flush=True)
    for stream in streams.values():
        stream.ring.pin()


def fold_trainings(
    dataset: NoduleDataset, fold: int, streams: Streams, device: torch.device
) -> FoldTrainings:
    """The fold without trainings as yet, with its first batches as inputs."""
    of_fold = {kind: stream for (kind, number), stream in streams.items() if number == fold}
    inputs = {}
    for kind, stream in of_fold.items():
        stream.wait_for_first()
        inputs[kind] = stream.ring.room(device)
        stream.ring.copy_to(inputs[kind], 0)
    done = torch.zeros((), device=device)
    return FoldTrainings(fold, dataset.held_out(fold, device), of_fold, inputs, done)


def add_trainings(folds: Sequence[FoldTrainings], dataset: NoduleDataset, options: Namespace) -> None:
    """All systems to all folds; a system starts from the same weights in each."""
    built = {
        name: SYSTEMS[name].network_and_loss(dataset, options.folds[0], options.seed)
        for name in options.systems
    }
    for fold in folds:
        for name in options.systems:
            network, loss = deepcopy(built[name])
            training = CapturedTraining(SYSTEMS[name], network, loss, fold.inputs, fold.done)
            if options.device.type == "cuda":
                training.capture()
            fold.trainings[name] = training
        print(f"fold {fold.fold}: {len(fold.trainings)} trainings are ready", flush=True)


class Results:
    """Dice of each nodule, by system, fold and iteration, written after each evaluation."""

    def __init__(self, folds: Sequence[FoldTrainings], file: Path) -> None:
        self.folds = folds
        self.file = file
        self.rows: list[dict[str, object]] = []

    def evaluate(self, part: float) -> None:
        """Predict the held-out nodules by all systems, write `dice.csv`, and print the mean Dice."""
        if self.folds[0].done.is_cuda:
            torch.cuda.synchronize()
        now = [
            {"system": name, "fold": fold.fold, "case": case, "iterations": fold.iterations, "dice": value}
            for fold in self.folds
            for name, values in fold.dice().items()
            for case, value in zip(fold.held_out.cases, values, strict=True)
        ]
        self.rows += now
        table = pd.DataFrame(self.rows)
        table.to_csv(self.file, index=False, float_format="%.6f")
        print(f"after {part:.0%} of the training:\n{mean_dice(pd.DataFrame(now))}", flush=True)


def mean_dice(table: pd.DataFrame) -> str:
    """Means over all cases and those of each fold, best first."""
    folds = sorted(table["fold"].unique())
    lines = ["| system | cases | iterations | Dice | " + " | ".join(f"fold {fold}" for fold in folds) + " |"]
    lines.append("|---" * (4 + len(folds)) + "|")
    means = table.groupby("system")["dice"].mean().sort_values(ascending=False)
    for system, dice in means.items():
        rows = table[table["system"] == system]
        by_fold = rows.groupby("fold")["dice"].mean()
        values = " | ".join(f"{by_fold[fold]:.3f}" for fold in folds)
        iterations = f"{rows['iterations'].min()} to {rows['iterations'].max()}"
        lines.append(f"| {system} | {len(rows)} | {iterations} | {dice:.4f} | {values} |")
    return "\n".join(lines)


def run(options: Namespace, dataset: NoduleDataset) -> Path:
    """Train and evaluate; the file with the results."""
    needed = {kind for name in options.systems for kind in SYSTEMS[name].kinds}
    kinds = [kind for kind in KINDS if kind in needed]
    with produced_batches(dataset, kinds, options.folds, options.seed) as streams:
        if options.device.type == "cuda":
            make_fast(streams)
        folds = [fold_trainings(dataset, fold, streams, options.device) for fold in options.folds]
        add_trainings(folds, dataset, options)
        if options.device.type == "cuda":
            torch.cuda.synchronize()
        results = Results(folds, options.output / "dice.csv")
        length: Length = IterationCount(options.steps) if options.steps else WallTime(options.seconds)
        train(folds, length, results.evaluate, {*options.also_at, 1.0})
    return results.file


def main() -> None:
    """Prepare what is missing, train all, and write the results."""
    os.environ[CONNECTIONS] = "32"  # or else streams wait for each other; read when CUDA starts
    options = parse()
    torch.set_num_threads(1)
    dataset = prepared(options.data, options.output.resolve())
    print(f"\n{run(options, dataset)}")


if __name__ == "__main__":
    main()
