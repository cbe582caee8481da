"""The windows of slices that a scan is read in, and which slices each of them answers for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window


class SliceWindow(NamedTuple):
    """Slices `start` to `stop` are read together; those from `first` to `last` (excluded) are kept."""

    start: int
    stop: int
    first: int
    last: int


def slice_windows(n_slices: int, window_size: int, *, step: float = 0.5) -> Iterator[SliceWindow]:
    """nnU-Net's window positions along the slices; each slice is kept from the window it lies deepest in.

    `step` is nnU-Net's tile step size, a fraction of the window. A scan of fewer slices than `window_size` is
    one window. Consecutive windows part where they overlap, in the middle.
    """
    window_size = min(window_size, n_slices)
    (starts,) = compute_steps_for_sliding_window((n_slices,), (window_size,), step)
    borders = [(a + window_size + b) // 2 for a, b in pairwise(starts)]
    for start, first, last in zip(starts, [0, *borders], [*borders, n_slices], strict=True):
        yield SliceWindow(start, start + window_size, first, last)
