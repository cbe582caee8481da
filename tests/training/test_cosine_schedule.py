"""The cosine schedule against values of its formula done by hand."""

from __future__ import annotations

import pytest
import torch

from nnunetv2_raemd.training.cosine_schedule import CosineSchedule


def schedule(warm_up: float) -> CosineSchedule:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    return CosineSchedule(optimizer, initial_lr=0.4, num_epochs=8, warm_up=warm_up)


@pytest.mark.parametrize(
    ("epoch", "rate"),
    # cos(0) = 1, cos(pi/4) = 0.70710678, cos(pi/2) = 0, cos(3 pi/4) = -0.70710678, cos(pi) = -1
    [(0, 0.4), (2, 0.4 * 0.85355339), (4, 0.2), (6, 0.4 * 0.14644661), (8, 0.0), (9, 0.0)],
)
def test_half_a_cosine(epoch: float, rate: float) -> None:
    cosine = schedule(0.0)
    cosine.step(epoch)
    assert cosine.lr == pytest.approx(rate, abs=1e-9)


@pytest.mark.parametrize(("epoch", "part"), [(0, 0.0), (0.5, 0.25), (1, 0.5), (2, 1.0), (4, 1.0)])
def test_warm_up_is_a_line_from_zero(epoch: float, part: float) -> None:
    warm, cold = schedule(0.25), schedule(0.0)
    warm.step(epoch)
    cold.step(epoch)
    assert warm.lr == pytest.approx(part * cold.lr)


def test_the_loss_decides_nothing() -> None:
    cosine = schedule(0.0)
    cosine.step(2)
    before = cosine.lr
    assert cosine.observe(100.0) is False
    assert cosine.lr == before


@pytest.mark.parametrize("warm_up", [-0.1, 1.0])
def test_warm_ups_that_are_none(warm_up: float) -> None:
    with pytest.raises(ValueError, match="warm_up"):
        schedule(warm_up)
