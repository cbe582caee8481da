"""Timing on a machine that others may use too: all in turns, so that what disturbs one disturbs all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

Run = Callable[[], object]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of repeated measurements."""

    median: float
    lower: float
    upper: float


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles; of a single value, that value.

    Raises:
        ValueError: if there is none.
    """
    if not values:
        raise ValueError("no measurement to take the median of")
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, lower, upper)


def pairwise_ratio(values: Sequence[float], reference: Sequence[float]) -> Spread:
    """The ratios of measurements taken in the same round.

    Raises:
        ValueError: if there are not as many of one as of the other.
    """
    return spread([a / b for a, b in zip(values, reference, strict=True)])


def seconds(run: Run, device: torch.device) -> float:
    """How long a run takes, with all that it leaves the device to do."""
    synchronise(device)
    started = time.perf_counter()
    run()
    synchronise(device)
    return time.perf_counter() - started


def synchronise(device: torch.device) -> None:
    """Wait for the device; the CPU has nothing pending."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def in_turns(runs: Mapping[Key, Run], rounds: Iterable[int], device: torch.device) -> dict[Key, list[float]]:
    """Seconds of every run in every round. The order turns round every time, so that none always follows
    the same other.
    """
    measured: dict[Key, list[float]] = {name: [] for name in runs}
    for round_ in rounds:
        names = list(runs)
        for name in reversed(names) if round_ % 2 else names:
            measured[name].append(seconds(runs[name], device))
    return measured
