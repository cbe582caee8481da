"""`raemd study`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from nnunetv2_raemd.commands import nnunet_options as options
from nnunetv2_raemd.errors import UserError


def study(
    dataset: options.Dataset,
    configuration: options.Configuration = options.DEFAULT_CONFIGURATION,
    table: Annotated[
        int | None,
        typer.Option(help="Table of the paper: 3, RAEMD-Net and other networks; 4, the ablation."),
    ] = None,
    trainers: options.OptionalTrainers = None,
    folds: options.Folds = None,
    plans: options.Plans = options.DEFAULT_PLANS,
    device: Annotated[
        str, typer.Option("-device", "--device", help="cuda, cpu or mps, as for nnUNetv2_train.")
    ] = "cuda",
    npz: Annotated[
        bool, typer.Option("--npz", help="Also save probabilities of the validation cases, for FROC curves.")
    ] = False,
    scheduler: options.SchedulerAddress = None,
) -> None:
    """Run the trainings of a comparison that are missing, by nnU-Net's own command.

    What is trained and validated is left as it is, an interrupted training continued: the same command goes
    on at any time. A training that fails does not stop the others; the exit status is then 1.
    """
    from nnunetv2_raemd.execution.backend_choice import backend_for
    from nnunetv2_raemd.nnunet_files.trained_models import model_names
    from nnunetv2_raemd.study.paper_systems import models_of_table
    from nnunetv2_raemd.study.study_run import about_folds, find_trainings, run_study
    from nnunetv2_raemd.study.training_job import TrainingJob

    if table is not None and not trainers:
        models = models_of_table(table, plans, configuration)
    elif trainers and table is None:
        models = model_names(trainers, plans, configuration)
    else:
        raise UserError("give either --table 3 (or 4), or trainers with -tr")
    folds = folds or ["0", "1", "2", "3", "4"]
    trainings = find_trainings(dataset, models, folds)
    console = Console()
    for remark in about_folds(dataset, folds):
        console.print(f"Note: {remark}", markup=False, highlight=False, soft_wrap=True)
    extra = ["-device", device, *(["--npz"] if npz else [])]
    if run_study(trainings, TrainingJob(extra), backend_for(scheduler, 1), console):
        raise typer.Exit(1)
