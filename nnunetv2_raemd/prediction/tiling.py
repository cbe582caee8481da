"""Where the network looks at a scan: nnU-Net's windows of slices and its tiles, or those that show a part.

What a tile shows depends on where it lies, because the network normalizes over it. So a part of a scan is
predicted in those tiles of the whole scan that show some of it, and comes out as in the whole scan. Only a
tile that is as wide as the scan is made narrower, since nothing would be left out otherwise.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager

from nnunetv2_raemd.prediction.slice_windows import SliceWindow, slice_windows
from nnunetv2_raemd.volumes.boxes import Box

Tile = tuple[slice, slice]


class _Tiles(NamedTuple):
    """Of one axis: where they begin, and how long they are."""

    starts: Sequence[int]
    size: int


@dataclass(frozen=True)
class Tiling:
    """Windows and tiles of an image that is at least as large as the patch.

    Attributes:
        shape: of the image (Z, Y, X).
        patch_size: of the plan, (T, H, W).
        step: nnU-Net's tile step size, a fraction of the patch.
        part: that is to be predicted; None for all of the image.
        multiples: of which the sizes (H, W) of a tile must be multiples.
    """

    shape: tuple[int, ...]
    patch_size: tuple[int, ...]
    step: float
    part: Box | None = None
    multiples: tuple[int, ...] = (1, 1)

    def windows(self, *, flipped: bool) -> list[SliceWindow]:
        """Those that show some of the part.

        Args:
            flipped: whether the last slice comes first.
        """
        windows = slice_windows(self.shape[0], self.patch_size[0], step=self.step)
        if self.part is None:
            return list(windows)
        start, stop = self.part[0].start, self.part[0].stop
        if flipped:
            start, stop = self.shape[0] - stop, self.shape[0] - start
        return [window for window in windows if window.start < stop and window.stop > start]

    @property
    def tile_size(self) -> tuple[int, int]:
        """(H, W)."""
        rows, columns = self._axes()
        return rows.size, columns.size

    @property
    def are_cut(self) -> bool:
        """Whether tiles are smaller than the patch, so that the network normalizes over less."""
        return self.tile_size != tuple(self.patch_size[1:])

    def tiles(self) -> list[Tile]:
        """All tiles, whether or not they show some of the part."""
        rows, columns = self._axes()
        return [
            (slice(row, row + rows.size), slice(column, column + columns.size))
            for row, column in itertools.product(rows.starts, columns.starts)
        ]

    def shows_part(self, tile: Tile) -> bool:
        """Whether it shows some of the part."""
        return self.part is None or all(
            side.start < of_part.stop and side.stop > of_part.start
            for side, of_part in zip(tile, self.part[1:], strict=True)
        )

    def _axes(self) -> tuple[_Tiles, _Tiles]:
        return self._tiles_of(1), self._tiles_of(2)

    def _tiles_of(self, axis: int) -> _Tiles:
        length, size = self.shape[axis], self.patch_size[axis]
        if self.part is not None and length <= size:
            return _around(self.part[axis], length, self.multiples[axis - 1])
        (starts,) = compute_steps_for_sliding_window((length,), (size,), self.step)
        return _Tiles(starts, size)


def size_multiples(configuration: ConfigurationManager, n_axes: int) -> tuple[int, ...]:
    """Of which the last `n_axes` sizes of the network's input must be multiples: its strides multiplied."""
    strides = configuration.network_arch_init_kwargs["strides"]
    of_axes = [np.broadcast_to(np.atleast_1d(stride)[-n_axes:], n_axes) for stride in strides]
    return tuple(np.prod(of_axes, axis=0).tolist())


def other_than_whole(configuration: ConfigurationManager, shape: Sequence[int], part: Box) -> str:
    """Why a part of a scan (Z, Y, X) may come out otherwise than in the whole scan; "" if it does not."""
    patch_size = tuple(configuration.patch_size)
    if len(patch_size) != 3 or len(configuration.spacing) != 2:
        return "the model is not a RAEMD-Net"  # nnU-Net's tiles begin at the corner of what it is given
    padded = tuple(map(max, shape, patch_size))
    cut = Tiling(padded, patch_size, 1.0, part, size_multiples(configuration, 2)).are_cut
    return "the model's patch is as large as a slice" if cut else ""


def _around(side: slice, length: int, multiple: int) -> _Tiles:
    """One tile, no longer than needed, with what it is longer than the part on both sides of it."""
    needed = side.stop - side.start
    size = min(math.ceil(needed / multiple) * multiple, length)
    return _Tiles([min(max(side.start - (size - needed) // 2, 0), length - size)], size)
