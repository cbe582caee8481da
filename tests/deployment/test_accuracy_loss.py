"""Dice and lesions that an export may lose, in a case done by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from small_plans import ONE_LABEL

from nnunetv2_raemd.deployment.accuracy_loss import Accuracy, joined, loss_between, measure


class Prediction:
    """A predictor that gives fixed labels (Z, Y, X)."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels
        self.dataset_json: dict[str, Any] = {"labels": ONE_LABEL}
        self.label_manager = SimpleNamespace(convert_logits_to_segmentation=lambda _: labels)

    def predict_logits_from_preprocessed_data(self, image: torch.Tensor) -> torch.Tensor:
        return image


class Cases:
    """One case with a lesion of four voxels and one of two."""

    def image(self, _: str) -> torch.Tensor:
        return torch.zeros(1, 1, 4, 6)

    def reference(self, _: str) -> np.ndarray:
        labels = np.zeros((1, 4, 6), np.int16)
        labels[0, 0, 0:4] = labels[0, 3, 4:6] = 1
        return labels


def predicted(*voxels: tuple[int, int]) -> Accuracy:
    labels = np.zeros((1, 4, 6), np.int16)
    for row, column in voxels:
        labels[0, row, column] = 1
    return measure(Prediction(labels), Cases(), ["scan"])  # type: ignore[arg-type]


def test_dice_and_the_lesions_that_share_a_voxel() -> None:
    accuracy = predicted((0, 0), (0, 1), (0, 2), (3, 4), (2, 0))  # 4 of 6 voxels, and one beside
    assert accuracy.mean_dice == pytest.approx(2 * 4 / (6 + 5))
    assert len(accuracy.found) == 2


def test_a_lost_lesion_is_named_even_where_dice_rises() -> None:
    before = predicted((0, 0), (3, 4))
    after = predicted((0, 0), (0, 1), (0, 2), (0, 3))
    loss = loss_between(before, after)
    assert loss.mean_dice_after > loss.mean_dice_before
    assert not loss.is_acceptable
    assert "1 of 2 lesions lost (nodule 1 of scan)" in str(loss)


def test_a_lesion_that_is_found_in_addition_is_no_loss() -> None:
    assert loss_between(predicted((0, 0)), predicted((0, 0), (3, 4))).is_acceptable


@pytest.mark.parametrize(("dice", "is_acceptable"), [(0.7951, True), (0.7949, False), (0.9, True)])
def test_dice_may_fall_by_five_thousandths(dice: float, is_acceptable: bool) -> None:
    before, after = (Accuracy({("scan", "nodule"): value}, frozenset()) for value in (0.8, dice))
    assert loss_between(before, after).is_acceptable == is_acceptable


def test_the_cases_of_folds_are_counted_together() -> None:
    folds = [
        Accuracy({(case, "nodule"): dice}, frozenset({(case, "nodule", 0)}))
        for case, dice in (("a", 0.4), ("b", 0.8))
    ]
    assert joined(folds).mean_dice == pytest.approx(0.6)
    assert len(joined(folds).found) == 2
