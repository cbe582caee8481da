"""The options that several commands have, declared once and named as nnU-Net names them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_CONFIGURATION = "2d"
DEFAULT_PLANS = "nnUNetPlans"
DEFAULT_TRAINER = "nnUNetTrainerRAEMD"
DEFAULT_CHECKPOINT = "checkpoint_final.pth"
DEFAULT_WORKERS = min(4, os.cpu_count() or 1)


def absolute(path: Path | None) -> Path | None:
    """Workers of a scheduler have another working directory; links stay, as each machine has its own."""
    return path and path.absolute()


_dataset = typer.Option("--dataset", "-d", metavar="DATASET", help="Number or name of the dataset.")
Dataset = Annotated[str, _dataset]
OptionalDataset = Annotated[str | None, _dataset]

_configuration = typer.Option("-c", metavar="CONFIGURATION", help="nnU-Net configuration, such as 2d.")
Configuration = Annotated[str, _configuration]
OptionalConfiguration = Annotated[str | None, _configuration]
Plans = Annotated[str, typer.Option("-p", metavar="PLANS", help="Plans identifier.")]
Checkpoint = Annotated[str, typer.Option("-chk", help="Checkpoint to use.")]
Trainer = Annotated[str, typer.Option("-tr", metavar="TRAINER", help="Trainer of the model.")]

_trainers = typer.Option(
    "-tr",
    metavar="TRAINER...",
    help="One or more trainers: -tr A B C. For other plans and configurations than -p and -c, give "
    "TRAINER__PLANS__CONFIGURATION.",
)
Trainers = Annotated[list[str], _trainers]
OptionalTrainers = Annotated[list[str] | None, _trainers]

Folds = Annotated[
    list[str] | None,
    typer.Option(
        "--folds", "-f", metavar="FOLD...", help="One or more folds: -f 0 1 2. Default: all that apply."
    ),
]
Workers = Annotated[
    int, typer.Option("--workers", "-np", min=1, metavar="N", help="Worker processes of this machine.")
]
SchedulerAddress = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Do the work on a running dask scheduler, such as tcp://host:8786. Its workers must see the "
        "same files at the same paths. Where they use a GPU, start one per GPU with --nthreads 1.",
    ),
]
