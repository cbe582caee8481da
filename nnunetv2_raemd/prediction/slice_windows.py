"""The windows of slices that a scan is read in, and what each of them has to say of its slices."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window
from torch import Tensor


class SliceWindow(NamedTuple):
    """Slices `start` to `stop` (excluded) are read together; those before `done` are in no later window."""

    start: int
    stop: int
    done: int


def slice_windows(n_slices: int, window_size: int, *, step: float = 0.5) -> Iterator[SliceWindow]:
    """nnU-Net's window positions along the slices.

    `step` is nnU-Net's tile step size, a fraction of the window. A scan of fewer slices than `window_size` is
    one window.
    """
    window_size = min(window_size, n_slices)
    (starts,) = compute_steps_for_sliding_window((n_slices,), (window_size,), step)
    for start, done in pairwise([*starts, n_slices]):
        yield SliceWindow(start, start + window_size, done)


def depth_in_window(window_size: int) -> Tensor:
    """Weight of each slice of a window, (window_size,): 1 at its ends, one more for each slice farther in."""
    from_start = torch.arange(1, window_size + 1)
    return torch.minimum(from_start, from_start.flip(0))
