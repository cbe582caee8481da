"""`raemd study`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from nnunetv2_raemd.errors import UserError


def study(
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Number or name of the nnU-Net dataset.")],
    configuration: Annotated[str, typer.Option("-c", help="nnU-Net configuration.")] = "2d",
    table: Annotated[
        int | None,
        typer.Option(help="Table of the paper: 3, RAEMD-Net and other networks; 4, the ablation."),
    ] = None,
    trainers: Annotated[
        list[str] | None,
        typer.Option(
            "-tr",
            metavar="NAME...",
            help="Trainers, instead of a table's: -tr A B C. For other plans and configurations than -p "
            "and -c give TRAINER__PLANS__CONFIGURATION.",
        ),
    ] = None,
    folds: Annotated[
        list[str] | None,
        typer.Option("--folds", "-f", metavar="FOLD...", help="Folds: --folds 0 1 2; all five by default."),
    ] = None,
    plans: Annotated[str, typer.Option("-p", help="Plans identifier.")] = "nnUNetPlans",
    device: Annotated[
        str, typer.Option("-device", "--device", help="cuda, cpu or mps, as for nnUNetv2_train.")
    ] = "cuda",
    npz: Annotated[
        bool, typer.Option("--npz", help="Also save probabilities of the validation cases, for FROC curves.")
    ] = False,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Train on the workers of a running dask scheduler, as tcp://host:8786. Start one worker "
            "with --nthreads 1 for each GPU; they must see nnU-Net's folders at the same paths.",
        ),
    ] = None,
) -> None:
    """Run the trainings of a comparison that are missing, by nnU-Net's own command.

    What is trained and validated is left as it is, an interrupted training continued: the same command goes
    on at any time. A training that fails does not stop the others; the exit status is then 1.
    """
    from nnunetv2_raemd.execution.local_processes import LocalProcesses
    from nnunetv2_raemd.execution.scheduler import Scheduler
    from nnunetv2_raemd.nnunet_files.trained_models import model_names
    from nnunetv2_raemd.study.paper_systems import models_of_table
    from nnunetv2_raemd.study.study_run import find_trainings, run_study
    from nnunetv2_raemd.study.training_job import TrainingJob

    if table is not None and not trainers:
        models = models_of_table(table, plans, configuration)
    elif trainers and table is None:
        models = model_names(trainers, plans, configuration)
    else:
        raise UserError("give either --table 3 (or 4), or trainers with -tr")
    trainings = find_trainings(dataset, models, folds or ["0", "1", "2", "3", "4"])
    options = ["-device", device, *(["--npz"] if npz else [])]
    backend = Scheduler(scheduler) if scheduler else LocalProcesses()
    if run_study(trainings, TrainingJob(options), backend, Console()):
        raise typer.Exit(1)
