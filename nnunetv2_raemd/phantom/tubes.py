"""Tubes along polylines: the shape of vessels, airways, the aorta and the oesophagus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.phantom.grid import Box, FloatArray, Grid, intersect
from nnunetv2_raemd.phantom.painting import occupancy, paint


@dataclass(frozen=True)
class Tube:
    """A polyline with a radius at each point.

    Attributes:
        points_mm: (N, 3) centre line in (z, y, x), N >= 2.
        radii_mm: (N,) radius at each point.
        hu: CT number of the filling.
    """

    points_mm: NDArray[np.float64]
    radii_mm: NDArray[np.float64]
    hu: float

    def widened(self, extra_mm: float, *, hu: float) -> Tube:
        """The same path with every radius larger."""
        return Tube(self.points_mm, self.radii_mm + extra_mm, hu)

    def clearance_mm(self, centre_mm: NDArray[np.float64]) -> float:
        """Distance of a point to the tube's surface at its polyline points (negative inside)."""
        return float((np.linalg.norm(self.points_mm - centre_mm, axis=1) - self.radii_mm).min())


def tube_box(tube: Tube, grid: Grid) -> Box:
    """The voxels a tube can touch."""
    reach = tube.radii_mm[:, None] + max(grid.spacing_mm)
    return grid.box((tube.points_mm - reach).min(axis=0), (tube.points_mm + reach).max(axis=0))


def tube_depth(tube: Tube, grid: Grid, box: Box) -> FloatArray:
    """Depth in mm below a tube's surface for the voxels of a box; far outside, a large negative number."""
    depth = np.full([part.stop - part.start for part in box], -1e3, dtype=np.float32)
    for k in range(len(tube.points_mm) - 1):
        segment = Tube(tube.points_mm[k : k + 2], tube.radii_mm[k : k + 2], tube.hu)
        part = intersect(tube_box(segment, grid), box)
        if any(s.start >= s.stop for s in part):
            continue
        z, y, x = (slice(s.start - b.start, s.stop - b.start) for s, b in zip(part, box, strict=True))
        local = depth[z, y, x]
        np.maximum(local, _segment_depth(segment, grid, part), out=local)
    return depth


def _segment_depth(segment: Tube, grid: Grid, box: Box) -> FloatArray:
    start, end = segment.points_mm
    direction = end - start
    length_squared = max(float(direction @ direction), 1e-12)
    relative = [axis - np.float32(s) for axis, s in zip(grid.axes(box), start, strict=True)]
    along = sum(r * np.float32(d) for r, d in zip(relative, direction / length_squared, strict=True))
    t = np.clip(along, 0, 1)
    offsets = (r - t * np.float32(d) for r, d in zip(relative, direction, strict=True))
    distance = np.sqrt(sum(np.square(offset) for offset in offsets))
    first, last = segment.radii_mm
    return np.float32(first) + t * np.float32(last - first) - distance


def paint_tube(volume: FloatArray, tube: Tube, grid: Grid, within: FloatArray | None = None) -> None:
    """Paint a tube in place; `within` (the volume's shape, 0 to 1) limits where."""
    box = tube_box(tube, grid)
    share = occupancy(tube_depth(tube, grid, box), grid.edge_mm)
    if within is not None:
        share *= within[box]
    paint(volume, share, tube.hu, box)
