"""The roofline in closed form."""

from __future__ import annotations

import pytest
import torch

from nnunetv2_raemd.bench import roofline as module
from nnunetv2_raemd.bench.cost import Cost
from nnunetv2_raemd.bench.roofline import Limits, Roofline, best_limits, measure_limits, roofline

LIMITS = Limits(flops_per_s=100.0, bytes_per_s=10.0, number_format="float32")


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        (Cost(flops=1000, bytes=50), Roofline("arithmetic", 10.0, 0.5)),
        (Cost(flops=400, bytes=50), Roofline("memory", 5.0, 0.25)),
        (Cost(flops=0, bytes=400), Roofline("memory", 40.0, 2.0)),
        (Cost(flops=100, bytes=10), Roofline("arithmetic", 1.0, 0.05)),
    ],
)
def test_the_longer_of_both_times_over_20_seconds(cost: Cost, expected: Roofline) -> None:
    assert roofline(cost, LIMITS, 20.0) == expected


def test_limits_are_the_best_of_the_timings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product of n x n matrices is 2 n^3 operations; a copy reads and writes."""
    monkeypatch.setitem(module.MATRIX_SIZE, "cpu", 10)
    monkeypatch.setitem(module.COPY_BYTES, "cpu", 600)
    timings = iter([5.0, 2.0, 9.0, 9.0, 9.0, 9.0, 9.0, 8.0, 8.0, 3.0, 8.0, 8.0, 8.0, 8.0])
    monkeypatch.setattr(module, "seconds", lambda run, device: next(timings))
    assert measure_limits(torch.device("cpu")) == Limits(2000 / 2.0, 2 * 600 / 3.0, "float32")


def test_the_best_of_several_measurements() -> None:
    disturbed, quiet = Limits(90.0, 12.0, "float32"), Limits(110.0, 8.0, "float32")
    assert best_limits(LIMITS, disturbed, quiet) == Limits(110.0, 12.0, "float32")
