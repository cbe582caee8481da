"""A column of slices of any length through RAEMD-Net: each slice is encoded once and decoded once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from nnunetv2_raemd.prediction.column import Column
from nnunetv2_raemd.prediction.slice_windows import SliceWindow, depth_in_window
from nnunetv2_raemd.prediction.sliced_network import SlicedNetwork


def stream_logits(
    network: SlicedNetwork, column: Column, windows: Iterable[SliceWindow], device: torch.device
) -> Iterator[tuple[slice, Tensor]]:
    """Logits (slices, classes, H, W) of some slices of `column` after the other, and which these are.

    The recurrence runs over every window by itself, as in training: over a whole scan at once it would sum up
    more slices than it has learnt to. A slice in several windows gets the mean of what these make of its
    features, weighted by how deep it lies in each. All else sees one slice at a time and runs once. Features
    are held for the slices of one window only, so that the memory taken does not grow with their number.
    """
    held = _HeldFeatures(network, column, device)
    for window in windows:
        held.advance(window.start, window.stop)
        held.fuse()
        done = slice(window.start, window.done)
        yield done, network.decode(held.fused(window.done))[0]


class _HeldFeatures:
    """The encoder's features up to the recurrence, of the slices from `start` on, (1, C, H, W) each.

    `sums` and `weights` are, for each of these slices, the weighted sum of what the recurrence made of its
    features in the windows so far, and the sum of the weights.
    """

    def __init__(self, network: SlicedNetwork, column: Column, device: torch.device) -> None:
        self.network, self.column, self.device = network, column, device
        self.start = self.stop = 0
        self.features: list[tuple[Tensor, ...]] = []
        self.sums: list[Tensor | None] = []
        self.weights: list[int] = []

    def advance(self, start: int, stop: int) -> None:
        """Let go of the slices before `start` and encode those up to `stop`."""
        for per_slice in (self.features, self.sums, self.weights):
            del per_slice[: start - self.start]
        self.start = start
        first = max(self.stop, start)
        if stop > first:
            stages = self.network.encode(self.column.read(first, stop).to(self.device))
            self.features += zip(*(stage.split(1) for stage in stages), strict=True)
            self.sums += [None] * (stop - first)
            self.weights += [0] * (stop - first)
        self.stop = stop

    def fuse(self) -> None:
        """Run the recurrence over the slices held."""
        deepest = torch.cat([features[-1] for features in self.features])
        (fused,) = self.network.recur([deepest], len(deepest))
        weights = depth_in_window(len(fused)).tolist()
        for i, (weight, of_slice) in enumerate(zip(weights, fused.split(1), strict=True)):
            part, earlier = weight * of_slice, self.sums[i]
            self.sums[i] = part if earlier is None else earlier + part
            self.weights[i] += weight

    def fused(self, stop: int) -> list[Tensor]:
        """The features of the slices held before `stop`, finest stage first, the last of them fused."""
        n_slices = stop - self.start
        finer = zip(*(features[:-1] for features in self.features[:n_slices]), strict=True)
        sums = [total for total in self.sums[:n_slices] if total is not None]
        means = [total / weight for total, weight in zip(sums, self.weights, strict=False)]
        return [*map(torch.cat, finer), torch.cat(means)]
