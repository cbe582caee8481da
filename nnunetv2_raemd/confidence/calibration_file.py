"""calibration_raemd.json beside the folds of a model: plain numbers, to read and to check.

docs/confidence.md describes the layout.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nnunetv2_raemd.confidence.calibration import Calibration, LabelCalibration, LabelQuality
from nnunetv2_raemd.confidence.calibration_quality import Reliability, RiskCoverage
from nnunetv2_raemd.confidence.confidence_model import ConfidenceModel
from nnunetv2_raemd.confidence.lesion_evidence import ScoredCase
from nnunetv2_raemd.confidence.split_check import SplitCheck
from nnunetv2_raemd.confidence.unlike_scans import TrainingScans
from nnunetv2_raemd.nnunet_files.label_set import Target
from nnunetv2_raemd.nnunet_files.training_identity import check_same_trainings
from nnunetv2_raemd.nnunet_files.versioned_json import versioned, write_versioned
from nnunetv2_raemd.version import __version__

FILE_NAME = "calibration_raemd.json"
FORMAT = "nnunetv2-raemd calibration, version 1"


def save_calibration(calibration: Calibration, file: Path) -> None:
    """Write the calibration whole or not at all.

    Raises:
        UserError: if the file cannot be written.
    """
    content = {
        "written_by": f"nnunetv2-raemd {__version__}",
        "folds": list(calibration.folds),
        "trainings": dict(calibration.trainings),
        "cases": list(calibration.case_ids),
        "training_scans": calibration.training and calibration.training.as_json(),
        "labels": [_label_as_json(label) for label in calibration.labels],
    }
    write_versioned(file, FORMAT, _finite(content))


def load_calibration(file: Path) -> Calibration:
    """The calibration in such a file.

    Raises:
        UserError: if it is absent, holds no calibration of this version, or the model beside it was trained
            again since.
    """
    holding = "a calibration of this version"
    with versioned(file, FORMAT, holding=holding, advice="Run raemd calibrate again") as content:
        training = content["training_scans"]
        trainings = content.get("trainings", {})
        calibration = Calibration(
            tuple(map(str, content["folds"])),
            tuple(map(str, content["cases"])),
            tuple(_label(label) for label in content["labels"]),
            None if training is None else TrainingScans.from_json(training),
            {str(fold): str(identity) for fold, identity in trainings.items()},
        )
    check_same_trainings(calibration.trainings, file, "raemd calibrate")
    return calibration


def _label_as_json(label: LabelCalibration) -> dict[str, Any]:
    return {
        "name": label.target.name,
        "values": list(label.target.values),
        "temperature": label.temperature,
        "confidence_model": label.model.as_json(),
        "cases": [asdict(case) for case in label.cases],
        "quality": None if label.quality is None else asdict(label.quality),
    }


def _label(content: Mapping[str, Any]) -> LabelCalibration:
    temperature = float(content["temperature"])
    if not 0 < temperature < math.inf:
        raise ValueError(f"the temperature {temperature} is not positive")
    target = Target(str(content["name"]), tuple(map(int, content["values"])))
    model = ConfidenceModel.from_json(content["confidence_model"])
    cases = tuple(_case(case) for case in content["cases"])
    quality = content["quality"]
    return LabelCalibration(target, temperature, model, cases, None if quality is None else _quality(quality))


def _case(content: Mapping[str, Any]) -> ScoredCase:
    confidences = tuple(map(float, content["confidences"]))
    touched = tuple(tuple(map(int, lesions)) for lesions in content["touched"])
    if len(confidences) != len(touched):
        raise ValueError("a case has not as many confidences as lesions")
    return ScoredCase(confidences, touched, int(content["n_lesions"]))


def _quality(content: Mapping[str, Any]) -> LabelQuality:
    def rated(name: str) -> Reliability:
        return Reliability(**_numbers(content[name]))

    def curve(name: str) -> RiskCoverage:
        return RiskCoverage(**_numbers(content[name]))

    return LabelQuality(
        rated("lesions"),
        rated("uncalibrated"),
        curve("risk"),
        curve("uncalibrated_risk"),
        rated("voxels"),
        rated("unscaled"),
        tuple(SplitCheck(**check) for check in content["checks"]),
    )


def _numbers(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _number_or_tuple(value) for key, value in content.items()}


def _number_or_tuple(value: Any) -> Any:
    """Lists were tuples, and null an undefined number."""
    if isinstance(value, list):
        return tuple(map(_number_or_tuple, value))
    return math.nan if value is None else value


def _finite(value: Any) -> Any:
    """As JSON can hold it: what is undefined becomes null."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
