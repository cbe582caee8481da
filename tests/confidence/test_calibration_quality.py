"""Reliability, Brier score, ECE, risk-coverage, temperature: by scikit-learn, by hand, by drawn truths."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from nnunetv2_raemd.confidence.calibration_quality import reliability, risk_coverage
from nnunetv2_raemd.confidence.voxel_temperature import (
    NO_VOXELS,
    at_temperature,
    count_voxels,
    fit_temperature,
    voxel_reliability,
)


def test_reliability_as_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    probability = rng.random(500) ** 2
    true = (rng.random(500) < probability**1.5).astype(float)
    found = reliability(probability, true)
    shares, means = calibration_curve(true, probability, n_bins=10)
    filled = np.array(found.counts) > 0
    assert np.array(found.share_true)[filled] == pytest.approx(shares)
    assert np.array(found.mean_probability)[filled] == pytest.approx(means)
    assert found.brier == pytest.approx(brier_score_loss(true, probability))
    assert found.ece == pytest.approx(np.abs(shares - means) @ np.array(found.counts)[filled] / 500)


def test_reliability_by_hand() -> None:
    """0.95 comes true in one of two (0.45 off), 0.15 and 1.0 as they should on average."""
    found = reliability(np.array([0.95, 0.95, 0.05]), np.array([1.0, 0, 0]))
    assert found.ece == pytest.approx((2 * 0.45 + 0.05) / 3)
    assert found.brier == pytest.approx((0.05**2 + 0.95**2 + 0.05**2) / 3)
    assert reliability(np.array([1.0]), np.array([1.0])).counts[-1] == 1
    assert math.isnan(reliability(np.zeros(0), np.zeros(0)).ece)


def test_weights_stand_for_repeated_entries() -> None:
    probability, true = np.array([0.3, 0.62, 0.9]), np.array([0, 1.0, 1.0])
    repeats = np.array([3, 1, 2])
    once = reliability(probability, true, repeats)
    repeated = reliability(np.repeat(probability, repeats), np.repeat(true, repeats))
    for field in ("mean_probability", "share_true", "counts", "ece", "brier"):
        assert getattr(once, field) == pytest.approx(getattr(repeated, field), nan_ok=True)


def test_risk_coverage_by_hand() -> None:
    found = risk_coverage([0.9, 0.5, 0.8, 0.5], [True, False, True, True])
    assert found.coverage == pytest.approx((0.25, 0.5, 1.0))
    assert found.risk == pytest.approx((0, 0, 0.25))
    assert found.area == pytest.approx((0 + 0 + 2 * 0.25) / 4)
    assert risk_coverage([], []).coverage == ()


@pytest.mark.parametrize("true_temperature", [0.6, 1.0, 2.5])
def test_the_drawn_temperature_is_found(true_temperature: float) -> None:
    rng = np.random.default_rng(0)
    log_odds = rng.normal(-3, 4, (4, 300, 300))
    inside = rng.random(log_odds.shape) < 1 / (1 + np.exp(-log_odds / true_temperature))
    probability = (1 / (1 + np.exp(-log_odds))).astype(np.float32)
    counts = count_voxels(probability, inside, np.ones_like(inside))
    assert fit_temperature(counts) == pytest.approx(true_temperature, rel=0.02)
    before, after = voxel_reliability([(counts, 1.0)]), voxel_reliability([(counts, true_temperature)])
    assert after.ece < 0.01
    assert before.ece > 0.02 or true_temperature == 1


def test_the_temperature_minimises_the_likelihood_of_single_voxels() -> None:
    """As torch's cross-entropy finds on a fine scale."""
    rng = np.random.default_rng(1)
    log_odds = rng.normal(0, 3, 2000)
    inside = rng.random(2000) < 1 / (1 + np.exp(-log_odds / 1.7))
    probability = 1 / (1 + np.exp(-log_odds))
    found = fit_temperature(count_voxels(probability[None], inside[None], np.ones((1, 2000), bool)))
    scale = np.linspace(0.5, 4, 701)
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    target = torch.from_numpy(inside).double()
    losses = [float(loss(torch.from_numpy(log_odds / t), target)) for t in scale]
    assert found == pytest.approx(scale[np.argmin(losses)], abs=0.01)


def test_at_temperature_is_the_softmax_of_scaled_logits() -> None:
    logits = torch.randn(2, 50, generator=torch.Generator().manual_seed(0), dtype=torch.double) * 4
    scaled = at_temperature(logits.softmax(0)[1].numpy(), 1.8)
    assert scaled == pytest.approx((logits / 1.8).softmax(0)[1].numpy())
    assert at_temperature(np.array([0.0, 1.0]), 2.0).tolist() == [0, 1]


def test_voxels_that_do_not_count_and_certain_ones() -> None:
    probability = np.array([[0.0, 1.0, 0.5, 0.5]], np.float32)
    inside, counted = np.array([[False, True, True, True]]), np.array([[True, True, True, False]])
    counts = count_voxels(probability, inside, counted)
    assert (counts.inside.sum(), counts.outside.sum()) == (2, 1)
    assert (counts.inside[-1], counts.outside[0]) == (1, 1)
    assert fit_temperature(NO_VOXELS) == 1.0
