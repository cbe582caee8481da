"""The voxel grid in mm, centred on the patient, and boxes cut from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float32]
Axes = tuple[FloatArray, FloatArray, FloatArray]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Grid:
    """A grid of voxel centres around (0, 0, 0) mm; z to the head, y to the back, x to the patient's left.

    Attributes:
        shape: voxels along (z, y, x).
        spacing_mm: distance of voxel centres along (z, y, x).
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]

    @cached_property
    def origin_mm(self) -> NDArray[np.float64]:
        """Centre of voxel (0, 0, 0)."""
        return -(np.array(self.shape) - 1) / 2 * np.array(self.spacing_mm)

    @cached_property
    def half_extent_mm(self) -> NDArray[np.float64]:
        """Distance from the centre to the outer voxel faces."""
        return np.array(self.shape) * np.array(self.spacing_mm) / 2

    @property
    def edge_mm(self) -> float:
        """Width over which a boundary is smeared by the in-plane pixel size."""
        return max(self.spacing_mm[1:])

    @property
    def whole(self) -> Box:
        """The box of all voxels."""
        return (slice(0, self.shape[0]), slice(0, self.shape[1]), slice(0, self.shape[2]))

    def box(self, low_mm: ArrayLike, high_mm: ArrayLike) -> Box:
        """Voxels whose centres lie between two corners, and one more on every side; may be empty."""
        spacing = np.array(self.spacing_mm)
        first = np.floor((np.asarray(low_mm) - self.origin_mm) / spacing).astype(int)
        last = np.ceil((np.asarray(high_mm) - self.origin_mm) / spacing).astype(int) + 1
        first = np.clip(first, 0, self.shape)
        last = np.clip(last, first, self.shape)
        z, y, x = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
        return z, y, x

    def axes(self, box: Box | None = None, offset_mm: tuple[float, float, float] = (0, 0, 0)) -> Axes:
        """Coordinates in mm of the voxels of a box, as three arrays that broadcast to (z, y, x)."""
        z, y, x = (
            (self.origin_mm[axis] + offset_mm[axis] + np.arange(*part.indices(n)) * self.spacing_mm[axis])
            for axis, (part, n) in enumerate(zip(box or self.whole, self.shape, strict=True))
        )
        return (
            z.astype(np.float32)[:, None, None],
            y.astype(np.float32)[None, :, None],
            x.astype(np.float32)[None, None, :],
        )


def intersect(first: Box, second: Box) -> Box:
    """The voxels of both boxes; a slice of the result may be empty."""
    z, y, x = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return z, y, x
