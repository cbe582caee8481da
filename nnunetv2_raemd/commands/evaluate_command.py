"""`raemd evaluate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.froc_choices import CandidateScore, HitRule

DEFAULT_WORKERS = min(4, os.cpu_count() or 1)

_DATASET = "nnU-Net's cross-validation"
_FOLDERS = "Two folders"
_MEASURES = "Measures and results"


def evaluate(
    dataset: Annotated[
        str | None,
        typer.Option("-d", "--dataset", help="Number or name of the dataset.", rich_help_panel=_DATASET),
    ] = None,
    configuration: Annotated[
        str, typer.Option("-c", help="nnU-Net configuration.", rich_help_panel=_DATASET)
    ] = "2d",
    trainers: Annotated[
        list[str] | None,
        typer.Option(
            "-tr",
            metavar="NAME...",
            help="Trainers to evaluate: -tr A B C. For other plans and configurations than -p and -c give "
            "TRAINER__PLANS__CONFIGURATION.",
            rich_help_panel=_DATASET,
        ),
    ] = None,
    plans: Annotated[str, typer.Option("-p", help="Plans identifier.", rich_help_panel=_DATASET)] = (
        "nnUNetPlans"
    ),
    folds: Annotated[
        list[str] | None,
        typer.Option(
            "-f",
            "--folds",
            metavar="FOLD...",
            help="Folds to evaluate: -f 0 1 2. By default all that each trainer has validated.",
            rich_help_panel=_DATASET,
        ),
    ] = None,
    prediction: Annotated[
        Path | None,
        typer.Option("--pred", file_okay=False, help="Folder of predictions.", rich_help_panel=_FOLDERS),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option("--ref", file_okay=False, help="Folder of references.", rich_help_panel=_FOLDERS),
    ] = None,
    dataset_json: Annotated[
        Path | None,
        typer.Option(
            "-djfile",
            help="dataset.json with labels and file ending; by default looked for beside the predictions "
            "and the references.",
            rich_help_panel=_FOLDERS,
        ),
    ] = None,
    labels: Annotated[
        list[int] | None,
        typer.Option(
            "-l", metavar="LABEL...", help="Labels, instead of dataset.json's.", rich_help_panel=_FOLDERS
        ),
    ] = None,
    ignore_label: Annotated[
        int | None,
        typer.Option("-il", help="Label whose voxels do not count, beside -l.", rich_help_panel=_FOLDERS),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Trainer to test the others against; default: the first.", rich_help_panel=_MEASURES
        ),
    ] = None,
    min_lesion_overlap: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Fraction of a lesion that must be predicted for it to be detected; 0: a voxel.",
            rich_help_panel=_MEASURES,
        ),
    ] = 0.0,
    froc: Annotated[
        bool,
        typer.Option(
            "--froc",
            help="Also LUNA16's FROC and score, from the probability maps (.npz) beside the predictions.",
            rich_help_panel=_MEASURES,
        ),
    ] = False,
    candidate_threshold: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="FROC: candidates are connected components above this probability.",
            rich_help_panel=_MEASURES,
        ),
    ] = 0.1,
    candidate_score: Annotated[
        CandidateScore, typer.Option(help="FROC: probability of a candidate.", rich_help_panel=_MEASURES)
    ] = CandidateScore.MAXIMUM,
    hit_rule: Annotated[
        HitRule,
        typer.Option(
            help="FROC: a candidate hits a lesion that it touches (overlap), or to whose centre its own is "
            "nearer than the lesion's radius (centre, as LUNA16).",
            rich_help_panel=_MEASURES,
        ),
    ] = HitRule.CENTRE,
    workers: Annotated[
        int, typer.Option("--workers", "-np", min=1, help="Worker processes.", rich_help_panel=_MEASURES)
    ] = DEFAULT_WORKERS,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            file_okay=False,
            help="Folder for the results. By default evaluation__CONFIGURATION beside the trainers' folders, "
            "or evaluation in the folder of predictions.",
            rich_help_panel=_MEASURES,
        ),
    ] = None,
) -> None:
    """Measure predictions against references: per case, per lesion, across slices, over folds, and compared.

    Either nnU-Net's cross-validation (-d 501 -c 2d -tr A B C), or any two folders (--pred, --ref). Cases that
    are missing, surplus or unreadable are reported, and the exit status is then 1.
    """
    from nnunetv2_raemd.evaluation.cross_validation import find_cross_validation
    from nnunetv2_raemd.evaluation.evaluation_options import EvaluationOptions
    from nnunetv2_raemd.evaluation.evaluation_terminal import evaluate_and_report
    from nnunetv2_raemd.evaluation.folder_pair import find_two_folders
    from nnunetv2_raemd.nnunet_files.dataset_folders import find_dataset
    from nnunetv2_raemd.nnunet_files.trained_models import model_names

    if dataset and trainers and not (prediction or reference):
        models = model_names(trainers, plans, configuration)
        found = find_dataset(dataset)
        material = find_cross_validation(found, models, folds)
    elif prediction and reference and not (dataset or trainers):
        material = find_two_folders(
            prediction, reference, dataset_json=dataset_json, labels=labels, ignore_label=ignore_label
        )
    else:
        raise UserError("give -d and -tr for nnU-Net's cross-validation, or --pred and --ref for two folders")
    options = EvaluationOptions(min_lesion_overlap, froc, candidate_threshold, candidate_score, hit_rule)
    raise typer.Exit(
        evaluate_and_report(
            material, options, folder=output or material.output, against=against, workers=workers
        )
    )
