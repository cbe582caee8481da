"""A column of slices of any length through RAEMD-Net: each slice is encoded once and decoded once."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nnunetv2_raemd.prediction.column import Column
from nnunetv2_raemd.prediction.slice_windows import SliceWindow, depth_in_window
from nnunetv2_raemd.prediction.sliced_network import SlicedNetwork

PIXELS_AT_A_TIME = 2**17


def stream_logits(
    network: SlicedNetwork, column: Column, windows: Iterable[SliceWindow], device: torch.device
) -> Iterator[tuple[slice, Tensor]]:
    """Logits (slices, classes, H, W) of some slices of `column` after the other, and which these are.

    The recurrence runs over every window by itself, as in training: over a whole scan at once it would sum up
    more slices than it has learnt to. A slice in several windows gets the mean of what these make of its
    features, weighted by how deep it lies in each. All else sees one slice at a time and runs once, over
    `slices_at_a_time`. Features are held for the slices of one window only, so that the memory taken does not
    grow with their number.
    """
    held = _HeldFeatures(network, column, device)
    for window in windows:
        held.advance(window.start, window.stop)
        held.fuse()
        for done, features in held.fused(window.done):
            yield done, network.decode(features)[0]


def slices_at_a_time(size: Sequence[int], device: torch.device) -> int:
    """How many slices of `size` (H, W) are encoded, and later decoded, together.

    A processor computes faster, and has the first slices earlier, with as many as its caches have a use for:
    what layers make of more has left them when the next layer comes. Few pixels do not keep it busy.
    """
    return max(1, PIXELS_AT_A_TIME // math.prod(size)) if device.type == "cpu" else sys.maxsize


@dataclass(frozen=True)
class _Encoded:
    """Features of slices that were encoded together, from `start` on: (N, C, H, W) of each stage."""

    start: int
    stages: Sequence[Tensor]

    @property
    def stop(self) -> int:
        return self.start + len(self.stages[-1])

    def between(self, start: int, stop: int) -> _Encoded:
        """Those of its slices that lie there: views."""
        first, last = max(start, self.start), min(stop, self.stop)
        part = slice(first - self.start, last - self.start)
        return _Encoded(first, [stage[part] for stage in self.stages])


class _HeldFeatures:
    """The encoder's features up to the recurrence, of the slices from `start` to `stop`.

    They stay as they were encoded, some at a time, and are decoded so, because joining them anew takes a
    tenth of the time of a network in int8. `means` and `weights` are, for each of these slices, the weighted
    mean of what the recurrence made of its features in the windows so far, (1, C, H, W), and the sum of the
    weights.
    """

    def __init__(self, network: SlicedNetwork, column: Column, device: torch.device) -> None:
        self.network, self.column, self.device = network, column, device
        self.at_a_time = slices_at_a_time(column.scan.shape[-2:], device)
        self.start = self.stop = 0
        self.encoded: list[_Encoded] = []
        self.means: list[Tensor | None] = []
        self.weights: list[int] = []

    def advance(self, start: int, stop: int) -> None:
        """Let go of the slices before `start` and encode those up to `stop`."""
        for per_slice in (self.means, self.weights):
            del per_slice[: start - self.start]
        self.start = start
        self.encoded = [part for part in self.encoded if part.stop > start]
        new = range(max(self.stop, start), stop)
        for first in new[:: self.at_a_time]:
            slices = self.column.read(first, min(first + self.at_a_time, stop))
            self.encoded.append(_Encoded(first, self.network.encode(slices.to(self.device))))
        self.means += [None] * len(new)
        self.weights += [0] * len(new)
        self.stop = stop

    def fuse(self) -> None:
        """Run the recurrence over the slices held."""
        deepest = _joined([part.stages[-1] for part in self._encoded_before(self.stop)])
        (fused,) = self.network.recur([deepest], len(deepest))
        weights = depth_in_window(len(fused)).tolist()
        for i, (weight, of_slice) in enumerate(zip(weights, fused.split(1), strict=True)):
            earlier = self.means[i]
            self.weights[i] += weight
            share = weight / self.weights[i]
            self.means[i] = of_slice if earlier is None else torch.lerp(earlier, of_slice, share)

    def fused(self, stop: int) -> Iterator[tuple[slice, list[Tensor]]]:
        """The features of the slices held before `stop`, finest stage first, the last of them fused.

        They come in the parts that were encoded together, with the slices that each is of.
        """
        for part in self._encoded_before(stop):
            means = self.means[part.start - self.start : part.stop - self.start]
            deepest = _joined([mean for mean in means if mean is not None])
            yield slice(part.start, part.stop), [*part.stages[:-1], deepest]

    def _encoded_before(self, stop: int) -> list[_Encoded]:
        return [part.between(self.start, stop) for part in self.encoded if part.start < stop]


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """The parts along their first axis; of a single one no copy is made."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
