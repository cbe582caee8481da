"""Unevenly spaced slices onto an even grid along their normal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

# A grid height this near to a slice, as a part of the spacing, takes the slice unchanged.
_ON_SLICE = 1e-3


@dataclass(frozen=True)
class EvenGrid:
    """Heights of an even grid and, for each, the slice below it and how far it is to the next (0 to 1)."""

    spacing_mm: float
    below: np.ndarray
    weight: np.ndarray


def even_grid(heights_mm: np.ndarray) -> EvenGrid:
    """The even grid from the first to the last of ascending `heights_mm` nearest to their median distance."""
    length = heights_mm[-1] - heights_mm[0]
    steps = max(int(np.rint(length / np.median(np.diff(heights_mm)))), 1)
    wanted = heights_mm[0] + length * np.arange(steps + 1) / steps
    position = np.interp(wanted, heights_mm, np.arange(len(heights_mm)))
    nearest = np.rint(position)
    position = np.where(np.abs(position - nearest) <= _ON_SLICE, nearest, position)
    below = np.minimum(np.floor(position).astype(int), len(heights_mm) - 2)
    return EvenGrid(float(length / steps), below, position - below)


def resample_hu(volume: np.ndarray, grid: EvenGrid) -> np.ndarray:
    """Linear interpolation between neighbouring slices; `volume` (S, rows, columns) int16, as the result."""
    out = np.empty((len(grid.below), *volume.shape[1:]), dtype=volume.dtype)
    for index, (below, weight) in enumerate(zip(grid.below, grid.weight, strict=True)):
        lower, upper = volume[below].astype(np.float32), volume[below + 1].astype(np.float32)
        out[index] = np.rint(lower + np.float32(weight) * (upper - lower))
    return out


def resample_mask(mask: np.ndarray, grid: EvenGrid) -> np.ndarray:
    """Shape interpolation of `mask` (S, rows, columns) bool: by signed distance to the outline in the slice.

    Where one of the two slices is empty there is no shape to go to, and the nearer slice decides.
    """
    out = np.empty((len(grid.below), *mask.shape[1:]), dtype=bool)
    for index, (below, weight) in enumerate(zip(grid.below, grid.weight, strict=True)):
        out[index] = _between(mask[below], mask[below + 1], float(weight))
    return out


def _between(lower: np.ndarray, upper: np.ndarray, weight: float) -> np.ndarray:
    if weight in (0.0, 1.0) or not (lower.any() and upper.any()):
        return lower if weight <= 0.5 else upper
    return (1 - weight) * _signed_distance(lower) + weight * _signed_distance(upper) > 0


def _signed_distance(mask: np.ndarray) -> np.ndarray:
    """Distance in pixels to the outline, positive inside."""
    inside: np.ndarray = distance_transform_edt(mask)
    outside: np.ndarray = distance_transform_edt(~mask)
    return inside - outside
