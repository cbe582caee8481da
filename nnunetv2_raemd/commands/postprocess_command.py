"""`raemd postprocess`: choose it on cross-validation, apply it to predictions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from nnunetv2_raemd.commands.several_values import SeveralValuesCommand
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.postprocessing.postprocessing_choices import FILE_NAME, Objective

DEFAULT_WORKERS = min(4, os.cpu_count() or 1)

app = typer.Typer(
    help="Threshold, opening, closing, holes, small and unlikely components: chosen and applied.",
    no_args_is_help=True,
)

Processes = Annotated[int, typer.Option("--workers", "-np", min=1, help="Worker processes.")]


@app.command(cls=SeveralValuesCommand)
def determine(
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="Number or name of the dataset.")
    ] = None,
    configuration: Annotated[str, typer.Option("-c", help="Configuration.")] = "2d",
    trainer: Annotated[str, typer.Option("-tr", help="Trainer of the model.")] = "nnUNetTrainerRAEMD",
    plans: Annotated[str, typer.Option("-p", help="Plan of the model.")] = "nnUNetPlans",
    folds: Annotated[
        list[str] | None,
        typer.Option("--folds", "-f", help="Folds, as in -f 0 1 2; all that are validated by default."),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option("-i", file_okay=False, help="Instead of -d: a folder of predictions ...")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("-ref", file_okay=False, help="... and one with their references.")
    ] = None,
    objective: Annotated[
        Objective, typer.Option(help="What to maximize: Dice, or the mean of Dice and lesion F1.")
    ] = Objective.DICE,
    workers: Processes = DEFAULT_WORKERS,
) -> None:
    """Choose post-processing on the validation cases of a trained model (or any predictions).

    Each step is kept only where it improves the objective on the same cases by more than chance. Written to
    postprocessing_raemd.json beside the model's folds (or into the folder of -i), for you to read and change.
    Probability maps (--npz in training or validation) allow more steps.
    """
    from nnunetv2_raemd.evaluation.cross_validation import find_cross_validation
    from nnunetv2_raemd.evaluation.folder_pair import find_two_folders
    from nnunetv2_raemd.nnunet_files.dataset_folders import find_dataset
    from nnunetv2_raemd.nnunet_files.trained_models import model_names
    from nnunetv2_raemd.postprocessing import determine as room
    from nnunetv2_raemd.postprocessing.postprocessing_terminal import print_trials
    from nnunetv2_raemd.postprocessing.settings_file import save_settings

    if dataset is not None and predictions is None:
        found = find_dataset(dataset)
        (model,) = model_names([trainer], plans, configuration)
        material, file = find_cross_validation(found, [model], folds), found.results / model / FILE_NAME
    elif predictions is not None and reference is not None and dataset is None:
        material, file = find_two_folders(predictions, reference), predictions / FILE_NAME
    else:
        raise UserError("give either -d (with -c, -tr, -p, -f) or both -i and -ref")
    determined = room.determine(material, objective, workers=workers)
    about = {"objective": objective.value, "cases": list(determined.case_ids)}
    save_settings(determined.labels, file, about)
    raise typer.Exit(print_trials(determined, objective.value, file))


@app.command()
def apply(
    source: Annotated[
        Path,
        typer.Option("-i", exists=True, file_okay=False, help="Predictions of nnUNetv2_predict."),
    ],
    output: Annotated[Path, typer.Option("-o", file_okay=False, help="Folder for the results.")],
    settings_file: Annotated[
        Path, typer.Option("-pp_file", exists=True, dir_okay=False, help=f"The {FILE_NAME} to apply.")
    ],
    workers: Processes = DEFAULT_WORKERS,
) -> None:
    """Apply chosen post-processing to new predictions.

    Where it uses probabilities, predict with --save_probabilities.
    """
    from nnunetv2_raemd.postprocessing import apply as room
    from nnunetv2_raemd.postprocessing.postprocessing_terminal import print_problems
    from nnunetv2_raemd.postprocessing.settings_file import load_settings

    written, problems = room.apply_to_folder(source, output, load_settings(settings_file), workers=workers)
    typer.echo(f"{len(written)} segmentations written to {output}")
    raise typer.Exit(print_problems(problems))
