"""Ratios and spreads of timings that are known."""

from __future__ import annotations

import pytest
import torch

from nnunetv2_raemd.bench.clock import Spread, in_turns, pairwise_ratio, seconds, spread

CPU = torch.device("cpu")


def test_ratios_are_taken_round_by_round() -> None:
    """The second round was disturbed; the ratio of the medians would be 1.1."""
    found = pairwise_ratio([2.0, 20.0, 2.2], [1.0, 10.0, 2.0])
    assert (found.median, found.upper) == (2.0, 2.0)
    assert found.lower == pytest.approx(1.55)


def test_rounds_must_match() -> None:
    with pytest.raises(ValueError, match="longer"):
        pairwise_ratio([1.0], [1.0, 2.0])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0, 1.0, 3.0, 2.0, 4.0], Spread(3, 2, 4)),
        ([1.0, 3.0], Spread(2, 1.5, 2.5)),
        ([7.0], Spread(7, 7, 7)),
    ],
)
def test_median_and_quartiles(values: list[float], expected: Spread) -> None:
    assert spread(values) == expected


def test_the_median_of_nothing() -> None:
    with pytest.raises(ValueError, match="no measurement"):
        spread([])


def test_all_take_turns_in_changing_order() -> None:
    order: list[str] = []
    runs = {name: lambda name=name: order.append(name) for name in "abc"}
    measured = in_turns(runs, range(3), CPU)
    assert "".join(order) == "abccbaabc"
    assert {name: len(values) for name, values in measured.items()} == {"a": 3, "b": 3, "c": 3}


def test_seconds_are_those_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 12.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    assert seconds(lambda: None, CPU) == 2.5
