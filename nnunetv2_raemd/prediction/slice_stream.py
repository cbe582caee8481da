"""A column of slices of any length through RAEMD-Net: each slice is encoded once and decoded once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from nnunetv2_raemd.architecture.raemd_net import RAEMDNet
from nnunetv2_raemd.prediction.column import Column
from nnunetv2_raemd.prediction.slice_windows import SliceWindow


def stream_logits(
    network: RAEMDNet, column: Column, windows: Iterable[SliceWindow], device: torch.device
) -> Iterator[tuple[SliceWindow, Tensor]]:
    """Logits (slices kept, classes, H, W) of each window over `column`, in the order of slices.

    They are what `network` gives for a window on its own, whose recurrence begins and ends with it as in
    training. Only the recurrence runs over every window; the encoder's features of the slices that the next
    window shares are held for it. So the memory taken does not grow with Z.
    """
    held = _HeldFeatures(network, column, device)
    for window in windows:
        held.advance(window.start, window.stop)
        deepest = torch.stack([features[-1] for features in held.of(window.start, window.stop)])
        (fused,) = network.recur([deepest], len(deepest))
        kept = fused[window.first - window.start : window.last - window.start]
        finer = zip(*(features[:-1] for features in held.of(window.first, window.last)), strict=True)
        yield window, network.decode([*map(torch.stack, finer), kept])[0]


class _HeldFeatures:
    """The encoder's features up to the recurrence, of the slices from `start` to `stop`."""

    def __init__(self, network: RAEMDNet, column: Column, device: torch.device) -> None:
        self.network, self.column, self.device = network, column, device
        self.start = self.stop = 0
        self.features: list[tuple[Tensor, ...]] = []

    def of(self, first: int, last: int) -> list[tuple[Tensor, ...]]:
        """Of each slice from `first` to `last` (excluded), the features of the stages, finest first."""
        return self.features[first - self.start : last - self.start]

    def advance(self, start: int, stop: int) -> None:
        """Let go of the slices before `start` and encode those up to `stop`."""
        del self.features[: start - self.start]
        self.start = start
        if stop > self.stop:
            stages = self.network.encode(self.column.read(self.stop, stop).to(self.device))
            self.features += zip(*(stage.unbind() for stage in stages), strict=True)
        self.stop = stop
