"""Dice and lesions of a predictor on the validation cases, and what another one loses against it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunetv2_raemd.deployment.preprocessed_cases import PreprocessedCases
from nnunetv2_raemd.evaluation.overlap import count_overlap, overlap_metrics
from nnunetv2_raemd.nnunet_files.label_set import Target, labels_of
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor
from nnunetv2_raemd.volumes.components import find_components, shared_voxels

MAX_DICE_LOSS = 0.005
"""by how much the mean Dice may fall"""

LesionName = tuple[str, str, int]
"""Case, target, and number of the lesion within it."""


@dataclass(frozen=True)
class Accuracy:
    """What a predictor reaches on some cases.

    Attributes:
        dice: by case and target; where both masks are empty there is none.
        found: lesions of the references that share a voxel with the prediction.
    """

    dice: Mapping[tuple[str, str], float]
    found: frozenset[LesionName]

    @property
    def mean_dice(self) -> float:
        """NaN where no Dice is defined."""
        return statistics.fmean(self.dice.values()) if self.dice else math.nan


@dataclass(frozen=True)
class Loss:
    """What one predictor loses against another on the same cases."""

    mean_dice_before: float
    mean_dice_after: float
    lesions_before: int
    lesions_lost: tuple[LesionName, ...]

    @property
    def is_acceptable(self) -> bool:
        """The rule by which exports are refused."""
        dice_loss = self.mean_dice_before - self.mean_dice_after
        return not self.lesions_lost and (math.isnan(dice_loss) or dice_loss <= MAX_DICE_LOSS)

    def __str__(self) -> str:
        lost = ", ".join(f"{target} {number} of {case}" for case, target, number in self.lesions_lost)
        return (
            f"mean Dice {self.mean_dice_after:.4f} instead of {self.mean_dice_before:.4f}, "
            f"{len(self.lesions_lost)} of {self.lesions_before} lesions lost{f' ({lost})' if lost else ''}"
        )


def joined(accuracies: Iterable[Accuracy]) -> Accuracy:
    """Of the cases of several folds together."""
    dice: dict[tuple[str, str], float] = {}
    found: frozenset[LesionName] = frozenset()
    for accuracy in accuracies:
        dice |= accuracy.dice
        found |= accuracy.found
    return Accuracy(dice, found)


def loss_between(before: Accuracy, after: Accuracy) -> Loss:
    """What `after` loses against `before`."""
    lost = tuple(sorted(before.found - after.found))
    return Loss(before.mean_dice, after.mean_dice, len(before.found), lost)


def measure(predictor: WholeScanPredictor, cases: PreprocessedCases, case_ids: Sequence[str]) -> Accuracy:
    """Predict preprocessed cases and compare with their references."""
    dice: dict[tuple[str, str], float] = {}
    found: set[LesionName] = set()
    for case_id in case_ids:
        logits = predictor.predict_logits_from_preprocessed_data(cases.image(case_id))
        labels = np.asarray(predictor.label_manager.convert_logits_to_segmentation(logits))
        reference = cases.reference(case_id)
        for target in labels_of(predictor.dataset_json).targets:
            of_target, numbers = _compare(reference, labels, target)
            if not math.isnan(of_target):
                dice[case_id, target.name] = of_target
            found |= {(case_id, target.name, number) for number in numbers}
    return Accuracy(dice, frozenset(found))


def _compare(reference: np.ndarray, labels: np.ndarray, target: Target) -> tuple[float, list[int]]:
    """Dice, and the numbers of the lesions that are found."""
    wanted, predicted = (np.isin(values, target.values) for values in (reference, labels))
    overlap = count_overlap(wanted, predicted, n_voxels=wanted.size)
    shared = shared_voxels(find_components(wanted), find_components(predicted))
    return overlap_metrics(overlap, voxel_mm3=1.0)["dice"], np.flatnonzero(shared.sum(axis=1)).tolist()
