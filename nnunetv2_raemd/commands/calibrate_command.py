"""`raemd calibrate`."""

from __future__ import annotations

from dataclasses import replace

import typer

from nnunetv2_raemd.commands import nnunet_options as options


def calibrate(
    dataset: options.Dataset,
    configuration: options.Configuration = options.DEFAULT_CONFIGURATION,
    trainer: options.Trainer = options.DEFAULT_TRAINER,
    plans: options.Plans = options.DEFAULT_PLANS,
    folds: options.Folds = None,
    workers: options.Workers = options.DEFAULT_WORKERS,
    scheduler: options.SchedulerAddress = None,
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
    from nnunetv2_raemd.execution.backend_choice import backend_for
    from nnunetv2_raemd.nnunet_files.dataset_folders import find_dataset
    from nnunetv2_raemd.nnunet_files.trained_models import model_names
    from nnunetv2_raemd.nnunet_files.training_identity import training_identities

    found = find_dataset(dataset)
    (model,) = model_names([trainer], plans, configuration)
    material = find_cross_validation(found, [model], folds)
    calibrated = room.calibrate(material, found.raw, backend=backend_for(scheduler, workers))
    file = found.results / model / FILE_NAME
    trainings = training_identities(file.parent, calibrated.calibration.folds)
    save_calibration(replace(calibrated.calibration, trainings=trainings), file)
    raise typer.Exit(print_calibration(calibrated, file))
