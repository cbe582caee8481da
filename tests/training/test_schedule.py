"""Equation 3.10 and early stopping, on losses whose outcome is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nnunetv2_raemd.training.early_stopping import EarlyStopping
from nnunetv2_raemd.training.plateau_schedule import PlateauSchedule
from nnunetv2_raemd.training.recipe import Recipe
from nnunetv2_raemd.training.smoothed_loss import SmoothedLoss


def schedule(patience: int = 3, min_lr: float = 1e-6) -> PlateauSchedule:
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    return PlateauSchedule(optimizer, factor=0.1, patience=patience, min_lr=min_lr)


def test_lowers_tenfold_after_more_than_patience_epochs_without_improvement() -> None:
    plateau = schedule(patience=3)
    lowered = [plateau.observe(loss) for loss in [0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]]
    assert lowered == [False, False, False, False, False, True, False]
    assert plateau.lr == pytest.approx(1e-4)


def test_stops_at_the_floor() -> None:
    plateau = schedule(patience=0, min_lr=1e-5)
    for _ in range(10):
        plateau.observe(1.0)
    assert plateau.lr == pytest.approx(1e-5)


def test_a_negative_loss_that_rises_is_no_improvement() -> None:
    """With torch's default relative threshold, -0.79995 would count as better than -0.8."""
    plateau = schedule(patience=1)
    assert [plateau.observe(loss) for loss in [-0.8, -0.79995, -0.79990]] == [False, False, True]


@pytest.mark.parametrize(("fall", "is_one"), [(0.0015, True), (0.0009, False)])
def test_a_fall_of_less_than_a_thousandth_is_none(fall: float, is_one: bool) -> None:
    plateau = schedule(patience=0)
    plateau.observe(0.5)
    assert plateau.observe(0.5 - fall) is not is_one


def test_nnunets_step_with_the_epoch_changes_nothing() -> None:
    plateau = schedule(patience=0)
    for epoch in range(20):
        plateau.step(epoch)
    assert plateau.lr == 1e-3


def test_early_stopping_counts_from_the_best_epoch() -> None:
    stopping = EarlyStopping(patience=2)
    decisions = []
    for loss in [1.0, 0.5, 0.6, 0.4, 0.4, 0.4, 0.4]:
        stopping.observe(loss)
        decisions.append(stopping.stopped)
    assert decisions == [False] * 6 + [True]


def test_smoothing_by_hand() -> None:
    smoothed = SmoothedLoss(0.8)
    assert [smoothed.update(loss) for loss in [1.0, 0.0, 0.5]] == pytest.approx([1.0, 0.8, 0.74])


def test_smoothing_leaves_a_third_of_the_noise() -> None:
    noise = np.random.default_rng(0).normal(size=20_000)
    smoothed = SmoothedLoss(0.8)
    values = [smoothed.update(value) for value in noise]
    assert np.std(values) == pytest.approx(np.sqrt(0.2 / 1.8), rel=0.03)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_smoothing_out_of_range(smoothing: float) -> None:
    with pytest.raises(ValueError, match="smoothing"):
        SmoothedLoss(smoothing)


def test_a_recipe_must_let_the_schedule_act_before_it_stops() -> None:
    with pytest.raises(ValueError, match="stop_patience"):
        Recipe(schedule_patience=30, stop_patience=30)


def first_reduction(losses: np.ndarray, recipe: Recipe) -> int:
    """The epoch at which the learning rate is first lowered; the number of epochs if never."""
    plateau = schedule(patience=recipe.schedule_patience)
    smoothed = SmoothedLoss(recipe.smoothing)
    for epoch, loss in enumerate(losses):
        if plateau.observe(smoothed.update(float(loss))):
            return epoch
    return len(losses)


def noisy_training(seed: int) -> np.ndarray:
    """A loss that falls with a time constant of 15 epochs, with noise as high as a tenth of the fall."""
    epochs = np.arange(100)
    return np.exp(-epochs / 15) - 0.5 + np.random.default_rng(seed).normal(scale=0.1, size=100)


def test_noise_does_not_lower_the_learning_rate_while_the_loss_falls() -> None:
    """Without smoothing a third of these trainings would be slowed down before epoch 30, the first at 12."""
    assert min(first_reduction(noisy_training(seed), Recipe()) for seed in range(200)) >= 30


def test_a_real_plateau_is_seen_despite_the_noise() -> None:
    epochs = [first_reduction(noisy_training(seed), Recipe()) for seed in range(200)]
    assert np.mean(np.array(epochs) < 100) > 0.9


def test_an_improvement_must_exceed_the_least_one() -> None:
    """0.875 falls by exactly the least improvement, which is none; 0.75 by twice that below the best."""
    stopping = EarlyStopping(patience=5, min_improvement=0.125)
    counts = []
    for loss in (1.0, 0.875, 0.75, 0.625, 0.5):
        stopping.observe(loss)
        counts.append(stopping.epochs_without_improvement)
    assert counts == [0, 1, 0, 1, 0]
    assert stopping.best == 0.5


def test_the_least_improvement_is_a_thousandth() -> None:
    stopping = EarlyStopping(patience=5)
    for loss in (0.5, 0.4995, 0.4991):
        stopping.observe(loss)
    assert (stopping.best, stopping.epochs_without_improvement) == (0.5, 2)
    stopping.observe(0.4989)
    assert (stopping.best, stopping.epochs_without_improvement) == (0.4989, 0)


def test_training_stops_one_epoch_after_its_patience() -> None:
    stopping = EarlyStopping(patience=2)
    for stopped in (False, False, False, True):
        stopping.observe(1.0)
        assert stopping.stopped is stopped
