"""`raemd postprocess`: choose it on cross-validation, apply it to predictions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from nnunetv2_raemd.commands import nnunet_options as options
from nnunetv2_raemd.commands.evaluation_input import CrossValidationInput, FolderInput, chosen_input
from nnunetv2_raemd.commands.help_lines import Group
from nnunetv2_raemd.commands.several_values import SeveralValuesCommand
from nnunetv2_raemd.commands.shared_options import with_options_of
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.postprocessing.postprocessing_choices import FILE_NAME, Objective

app = typer.Typer(
    cls=Group,
    help="Choose post-processing on cross-validation and apply it to predictions: threshold, opening, "
    "closing, holes, small and unlikely components.",
    no_args_is_help=True,
)


@app.command(cls=SeveralValuesCommand, short_help="Choose post-processing on validation cases.")
@with_options_of(CrossValidationInput, FolderInput)
def determine(
    models: CrossValidationInput,
    folders: FolderInput,
    *,
    objective: Annotated[
        Objective, typer.Option(help="What to maximize: Dice, or the mean of Dice and lesion F1.")
    ] = Objective.DICE,
    workers: options.Workers = options.DEFAULT_WORKERS,
    scheduler: options.SchedulerAddress = None,
) -> None:
    """Choose post-processing on the validation cases of a trained model (or any predictions).

    Each step is kept only where it improves the objective on the same cases by more than chance. Written to
    postprocessing_raemd.json beside the model's folds (or into the folder of -i), for you to read and change.
    Probability maps (--npz in training or validation) allow more steps. The trainer is nnUNetTrainerRAEMD
    unless -tr names another.
    """
    from nnunetv2_raemd.execution.backend_choice import backend_for
    from nnunetv2_raemd.nnunet_files.training_identity import training_identities
    from nnunetv2_raemd.postprocessing import determine as room
    from nnunetv2_raemd.postprocessing.postprocessing_terminal import print_trials
    from nnunetv2_raemd.postprocessing.settings_file import save_settings

    if models.dataset is not None and not models.trainers:
        models = replace(models, trainers=[options.DEFAULT_TRAINER])
    if models.trainers and len(models.trainers) > 1:
        raise UserError("-tr: give one trainer, whose post-processing is to be chosen")
    chosen = chosen_input(models, folders)
    material = chosen.material()
    folder = material.systems[0].folders[0].path
    if chosen is models:  # beside its folds
        folder = folder.parents[1]
    backend = backend_for(scheduler, workers)
    determined = room.determine(material, objective, scratch=folder, backend=backend)
    about = {
        "objective": objective.value,
        "cases": list(determined.case_ids),
        "trainings": training_identities(folder, [f.fold for f in material.systems[0].folders if f.fold]),
    }
    save_settings(determined.labels, folder / FILE_NAME, about)
    raise typer.Exit(print_trials(determined, objective.value, folder / FILE_NAME))


@app.command(cls=SeveralValuesCommand, short_help="Apply chosen post-processing to new predictions.")
def apply(
    source: Annotated[
        Path,
        typer.Option(
            "-i",
            exists=True,
            file_okay=False,
            callback=options.absolute,
            help="Predictions of nnUNetv2_predict.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", file_okay=False, callback=options.absolute, help="Folder for the results."),
    ],
    settings_file: Annotated[
        Path, typer.Option("-pp_file", exists=True, dir_okay=False, help=f"The {FILE_NAME} to apply.")
    ],
    workers: options.Workers = options.DEFAULT_WORKERS,
    scheduler: options.SchedulerAddress = None,
) -> None:
    """Apply chosen post-processing to new predictions.

    Where it uses probabilities, predict with --save_probabilities.
    """
    from nnunetv2_raemd.execution.backend_choice import backend_for
    from nnunetv2_raemd.execution.case_batch import failures
    from nnunetv2_raemd.postprocessing import apply as room
    from nnunetv2_raemd.postprocessing.postprocessing_terminal import print_failed
    from nnunetv2_raemd.postprocessing.settings_file import load_settings

    backend = backend_for(scheduler, workers)
    outcomes = room.apply_to_folder(source, output, load_settings(settings_file), backend=backend)
    failed = failures(outcomes)
    typer.echo(f"{len(outcomes) - len(failed)} segmentations written to {output}")
    raise typer.Exit(print_failed(failed, of=len(outcomes)))
