"""Voxel counts and ratios: by hand, and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from nnunetv2_raemd.evaluation.overlap import Overlap, count_overlap, overlap_metrics


def test_a_case_done_by_hand() -> None:
    reference = np.array([[[1, 1, 1, 1, 0, 0, 0, 0, 0, 0]]], bool)
    prediction = np.array([[[0, 1, 1, 1, 1, 1, 0, 0, 0, 0]]], bool)
    counts = count_overlap(reference, prediction, n_voxels=reference.size)
    assert counts == Overlap(tp=3, fp=2, fn=1, tn=4)
    found = overlap_metrics(counts, voxel_mm3=500)
    assert found["dice"] == found["f1"] == 6 / 9
    assert found["iou"] == 3 / 6
    assert found["precision"] == 3 / 5
    assert found["recall"] == 3 / 4
    assert found["fpr"] == 2 / 6
    assert found["specificity"] == 4 / 6
    assert found["volume_error_ml"] == found["absolute_volume_error_ml"] == 0.5
    assert (found["n_pred"], found["n_ref"]) == (5, 4)


def test_too_small_a_prediction_has_a_negative_volume_error() -> None:
    found = overlap_metrics(Overlap(tp=1, fp=0, fn=3, tn=0), voxel_mm3=2000)
    assert (found["volume_error_ml"], found["absolute_volume_error_ml"]) == (-6, 6)


@pytest.mark.parametrize("seed", range(3))
def test_equals_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference, prediction = rng.random((2, 4, 5, 6)) < [[[[0.3]]], [[[0.5]]]]
    found = overlap_metrics(count_overlap(reference, prediction, n_voxels=reference.size), voxel_mm3=1.0)
    truth, guess = reference.ravel(), prediction.ravel()
    assert found["f1"] == pytest.approx(sklearn_metrics.f1_score(truth, guess))
    assert found["iou"] == pytest.approx(sklearn_metrics.jaccard_score(truth, guess))
    assert found["precision"] == pytest.approx(sklearn_metrics.precision_score(truth, guess))
    assert found["recall"] == pytest.approx(sklearn_metrics.recall_score(truth, guess))
    assert found["specificity"] == pytest.approx(sklearn_metrics.recall_score(~truth, ~guess))
    tn, fp, fn, tp = sklearn_metrics.confusion_matrix(truth, guess).ravel()
    assert [found[key] for key in ("tn", "fp", "fn", "tp")] == [tn, fp, fn, tp]


def test_empty_masks_have_the_documented_values() -> None:
    both = overlap_metrics(Overlap(0, 0, 0, 10), voxel_mm3=1.0)
    assert all(math.isnan(both[key]) for key in ("dice", "iou", "precision", "recall", "f1"))
    assert (both["fpr"], both["specificity"], both["volume_error_ml"]) == (0, 1, 0)
    no_reference = overlap_metrics(Overlap(0, 4, 0, 6), voxel_mm3=1.0)
    assert [no_reference[key] for key in ("dice", "iou", "precision", "f1")] == [0, 0, 0, 0]
    assert math.isnan(no_reference["recall"])
    no_prediction = overlap_metrics(Overlap(0, 0, 4, 6), voxel_mm3=1.0)
    assert [no_prediction[key] for key in ("dice", "iou", "recall", "f1")] == [0, 0, 0, 0]
    assert math.isnan(no_prediction["precision"])
    assert math.isnan(overlap_metrics(Overlap(10, 0, 0, 0), voxel_mm3=1.0)["fpr"])
