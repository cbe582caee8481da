"""`raemd calibrate`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

DEFAULT_WORKERS = min(4, os.cpu_count() or 1)


def calibrate(
    dataset: Annotated[str, typer.Option("-d", "--dataset", help="Number or name of the dataset.")],
    configuration: Annotated[str, typer.Option("-c", help="Configuration.")] = "2d",
    trainer: Annotated[str, typer.Option("-tr", help="Trainer of the model.")] = "nnUNetTrainerRAEMD",
    plans: Annotated[str, typer.Option("-p", help="Plan of the model.")] = "nnUNetPlans",
    folds: Annotated[
        list[str] | None,
        typer.Option("--folds", "-f", help="Folds, as in -f 0 1 2; all that are validated by default."),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", "-np", min=1, help="Worker processes.")] = (
        DEFAULT_WORKERS
    ),
) -> None:
    """Learn from cross-validation how far a model can be trusted, for raemd predict.

    Needs the probability maps of the validation: nnUNetv2_train ... --npz, or --val --npz afterwards. Fits
    the temperature of voxels and the confidence of lesions, each rated on folds that it was not fitted on,
    and notes what the training's scans are like. Written to calibration_raemd.json beside the model's folds.
    """
    from nnunetv2_raemd.confidence import calibrate as room
    from nnunetv2_raemd.confidence.calibration_file import FILE_NAME, save_calibration
    from nnunetv2_raemd.confidence.calibration_terminal import print_calibration
    from nnunetv2_raemd.evaluation.cross_validation import find_cross_validation
    from nnunetv2_raemd.nnunet_files.dataset_folders import find_dataset
    from nnunetv2_raemd.nnunet_files.trained_models import model_names

    found = find_dataset(dataset)
    (model,) = model_names([trainer], plans, configuration)
    material = find_cross_validation(found, [model], folds)
    calibrated = room.calibrate(material, found.raw, workers=workers)
    file = found.results / model / FILE_NAME
    save_calibration(calibrated.calibration, file)
    raise typer.Exit(print_calibration(calibrated, file))
