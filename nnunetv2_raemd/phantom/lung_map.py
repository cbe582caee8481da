"""Where in a lung things fit: the distance to the pleura on a coarse grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates

from nnunetv2_raemd.phantom.grid import Axes, Grid
from nnunetv2_raemd.phantom.lungs import ChestShape, Side, lung_depth

Points = NDArray[np.float64]


@dataclass(frozen=True)
class LungMap:
    """True Euclidean depth below the pleura, on a coarse grid over the scanned part of one lung.

    The scan's first and last slice are no pleura: depth does not count distance to them.

    Attributes:
        chest: whose lung.
        side: which lung.
        grid: the coarse grid.
        depth_mm: its depths, 0 outside the lung.
        inside_mm: (N, 3) its points inside the lung.
        inside_depth_mm: (N,) their depths.
    """

    chest: ChestShape
    side: Side
    grid: Grid
    depth_mm: NDArray[np.float64]
    inside_mm: Points
    inside_depth_mm: NDArray[np.float64]

    def contains(self, axes: Axes) -> NDArray[np.bool_]:
        """Whether points (three arrays that broadcast, mm) lie in the lung; exact, not by the coarse grid."""
        return lung_depth(self.chest, axes, self.side) > 0

    def depth_at(self, points_mm: Points) -> NDArray[np.float64]:
        """Depth in mm at (N, 3) points (z, y, x); beyond the scan's ends that of its last slices."""
        index = (np.atleast_2d(points_mm) - self.grid.origin_mm) / np.array(self.grid.spacing_mm)
        return map_coordinates(self.depth_mm, index.T, order=1, mode="nearest")

    def points_between(self, nearest_mm: float, farthest_mm: float, *, end_margin_mm: float) -> Points:
        """Grid points whose depth lies in a range, `end_margin_mm` away from the scan's ends; (N, 3)."""
        away = np.abs(self.inside_mm[:, 0]) <= self.grid.half_extent_mm[0] - end_margin_mm
        fits = (self.inside_depth_mm >= nearest_mm) & (self.inside_depth_mm <= farthest_mm)
        return self.inside_mm[away & fits]


def map_lung(chest: ChestShape, grid: Grid, side: Side, *, resolution_mm: float = 2.5) -> LungMap:
    """Measure one lung on a coarse grid that covers the same field of view."""
    extent = 2 * grid.half_extent_mm
    z, y, x = (max(2, round(float(length) / resolution_mm)) for length in extent)
    spacing = (float(extent[0]) / z, float(extent[1]) / y, float(extent[2]) / x)
    coarse = Grid((z, y, x), spacing)
    inside = lung_depth(chest, coarse.axes(), side) > 0
    if not inside.any():
        return LungMap(chest, side, coarse, np.zeros(coarse.shape), np.empty((0, 3)), np.empty(0))
    # voxel centres: the pleura lies half a voxel before the first outside centre
    depth = np.maximum(distance_transform_edt(inside, sampling=spacing) - resolution_mm / 2, 0)
    points = np.argwhere(inside) * np.array(spacing) + coarse.origin_mm
    return LungMap(chest, side, coarse, depth, points, depth[inside])
