"""A model in nnU-Net's folders, with what lies beside it, as something to export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from nnunetv2.paths import nnUNet_preprocessed

from nnunetv2_raemd.confidence.calibration_file import FILE_NAME as CALIBRATION
from nnunetv2_raemd.confidence.calibration_file import load_calibration
from nnunetv2_raemd.deployment.preprocessed_cases import PreprocessedCases, find_preprocessed
from nnunetv2_raemd.deployment.source_model import SourceModel
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.json_file import read_json
from nnunetv2_raemd.nnunet_files.plans_file import read_plans
from nnunetv2_raemd.nnunet_files.training_identity import check_same_trainings
from nnunetv2_raemd.postprocessing.postprocessing_choices import FILE_NAME as POSTPROCESSING
from nnunetv2_raemd.prediction.nnunet_predictor import AnyNetworkPredictor
from nnunetv2_raemd.prediction.trained_model import Model


def load_source(model: Model, **settings: Any) -> SourceModel:
    """A trained model with its preprocessed cases, where they are here, and its validation.

    Raises:
        UserError: if it is missing or damaged, belongs to a cascade, or a file beside it cannot be read.
    """
    folder = model.folder()
    _check_takes_images_only(folder / "plans.json", model.configuration)
    predictor = model.load(device=torch.device("cpu"), allow_tqdm=False, **settings)
    summaries = {
        fold: _read_json(folder / f"fold_{fold}" / "validation" / "summary.json") for fold in model.folds
    }
    return SourceModel(
        predictor,
        model.configuration,
        model.folds,
        _cases(predictor, model.folds),
        postprocessing=_postprocessing(folder / POSTPROCESSING),
        calibration=load_calibration(folder / CALIBRATION) if (folder / CALIBRATION).is_file() else None,
        summaries={fold: summary for fold, summary in summaries.items() if summary is not None},
    )


def _check_takes_images_only(plans_file: Path, configuration: str) -> None:
    plans = read_plans(plans_file, "It belongs to the model: copy the model again")
    previous = plans["configurations"].get(configuration, {}).get("previous_stage")
    if previous is not None:
        raise UserError(
            f"{configuration} is the second stage of a cascade: beside images it takes the segmentations of "
            f"{previous}, which an exported model does not know of. Export another configuration, such as "
            "3d_fullres"
        )


def _cases(predictor: AnyNetworkPredictor, folds: tuple[str, ...]) -> dict[str, PreprocessedCases]:
    if not nnUNet_preprocessed:
        return {}
    plans, configuration = predictor.plans_manager, predictor.configuration_manager
    found = {fold: find_preprocessed(Path(nnUNet_preprocessed), plans, configuration, fold) for fold in folds}
    return {fold: cases for fold, cases in found.items() if cases is not None and cases.validation}


def _postprocessing(file: Path) -> dict[str, Any] | None:
    """What was chosen on the validation of these folds; `UserError` if one was trained again since."""
    content = _read_json(file)
    if content is not None and isinstance(trainings := content.get("trainings"), dict):
        check_same_trainings(trainings, file, "raemd postprocess determine")
    return content


def _read_json(file: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    return read_json(file, dict[str, Any], "Make it again, or move it away")
