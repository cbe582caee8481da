"""Measured lesions with their confidences, and the operating point at which they are listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from nnunetv2_raemd.confidence.calibration import Calibration
from nnunetv2_raemd.confidence.confidence_model import ConfidenceModel, features_of
from nnunetv2_raemd.confidence.risk_control import (
    OperatingPoint,
    UnreachableError,
    for_false_positives,
    for_sensitivity,
)
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion
from nnunetv2_raemd.nnunet_files.label_set import LabelSet


@dataclass(frozen=True)
class Promise:
    """What a user asks of the list of lesions; at most one of the two.

    Attributes:
        false_positives: that are expected per scan and label, at most.
        sensitivity: share of a scan's lesions that is expected to be listed, at least.

    Raises:
        UserError: if both are given, or a value cannot be promised.
    """

    false_positives: float | None = None
    sensitivity: float | None = None

    def __post_init__(self) -> None:
        if self.false_positives is not None and self.sensitivity is not None:
            raise UserError("give either --false-positives or --sensitivity: each decides on the threshold")
        if self.false_positives is not None and self.false_positives <= 0:
            raise UserError(f"--false-positives {self.false_positives:g}: give a number above 0")
        if self.sensitivity is not None and not 0 < self.sensitivity < 1:
            raise UserError(f"--sensitivity {self.sensitivity:g}: give a number between 0 and 1, as 0.9")

    @property
    def given(self) -> bool:
        """Whether anything is asked."""
        return self.false_positives is not None or self.sensitivity is not None


NOTHING_PROMISED = Promise()


@dataclass(frozen=True)
class LesionRating:
    """Confidences for the lesions of a model's predictions, by label name."""

    models: Mapping[str, ConfidenceModel]
    points: Mapping[str, OperatingPoint]

    def rated(self, lesion: MeasuredLesion) -> MeasuredLesion:
        """The lesion with its confidence; as it is where it has no probabilities."""
        model = self.models.get(lesion.label)
        if model is None or lesion.max_probability is None:
            return lesion
        confidence = float(model.confidences(np.array([features_of(lesion)]))[0])
        point = self.points.get(lesion.label)
        return replace(lesion, confidence=confidence, listed=point is None or confidence >= point.threshold)


def rating_by(calibration: Calibration, labels: LabelSet, promise: Promise) -> LesionRating:
    """The rating that a calibration gives, with the operating point of each label where one is asked for.

    Raises:
        UserError: if the calibration is of other labels, or the promise cannot be kept.
    """
    if [label.target for label in calibration.labels] != list(labels.targets):
        raise UserError("the calibration is of other labels than the model: run raemd calibrate again")
    models = {label.target.name: label.model for label in calibration.labels}
    points: dict[str, OperatingPoint] = {}
    for label in calibration.labels if promise.given else ():
        try:
            if promise.sensitivity is None:
                points[label.target.name] = for_false_positives(label.cases, promise.false_positives or 0)
            else:
                points[label.target.name] = for_sensitivity(label.cases, promise.sensitivity)
        except UnreachableError as error:
            raise UserError(f"{label.target.name}: {error}") from error
    return LesionRating(models, points)
