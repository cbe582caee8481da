"""Contours sorted by the planes that they are drawn in, which need not be the slices of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

# Contours whose heights differ by less than this part of the slice distance are of one plane: writers round
# coordinates, and no one draws planes so close.
SAME_PLANE_FRACTION = 0.05
# Planes are denser or sparser than the slices where their distances differ by more than this.
_AS_DENSE = (0.95, 1.5)
# Planes farther off the slices than this part of their distance, as a rule, were drawn on other slices.
# Writers round both to a tenth of a millimetre, which is off by a twentieth of thin slices.
_OFF_SLICES = 0.075
_FEWEST = 3  # of two planes the nearest counts: they do not tell how a shape goes on
# So far apart, planes are of different lesions rather than of one that was drawn on a coarser image.
_FARTHEST_MM = 15.0


@dataclass(frozen=True)
class ContourPlane:
    """The contours drawn at one height: `polygons` in the pixels of slice `slice_index`, the nearest one."""

    height_mm: float
    slice_index: int
    polygons: list[np.ndarray] = field(default_factory=list)

    @property
    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest (row, column)."""
        points = np.concatenate(self.polygons)
        return points.min(axis=0), points.max(axis=0)


def into_planes(
    placed: Sequence[tuple[float, int, np.ndarray]], slice_distance_mm: float
) -> list[ContourPlane]:
    """Polygons with their height and nearest slice, by planes in the order of height."""
    planes: list[ContourPlane] = []
    for height, index, polygon in sorted(placed, key=lambda one: one[0]):
        reach = SAME_PLANE_FRACTION * slice_distance_mm
        if not planes or height - planes[-1].height_mm > reach or index != planes[-1].slice_index:
            planes.append(ContourPlane(height, index))
        planes[-1].polygons.append(polygon)
    return planes


def plane_distance_mm(planes: Sequence[ContourPlane]) -> float | None:
    """The usual distance of planes; None where there is but one."""
    gaps = np.diff([plane.height_mm for plane in planes])
    return float(np.median(gaps)) if len(gaps) else None


def are_denser(planes: Sequence[ContourPlane], slice_distance_mm: float) -> bool:
    """Whether there are more planes than slices, so that a slice may have several."""
    distance = plane_distance_mm(planes)
    if distance is None or not tell_shape(planes):
        return False
    return distance < _AS_DENSE[0] * slice_distance_mm


def off_slices_mm(planes: Sequence[ContourPlane], slices_mm: np.ndarray) -> float:
    """How far planes lie from their slices, of the heights given, as a rule: half lie farther."""
    off = [abs(plane.height_mm - slices_mm[plane.slice_index]) for plane in planes]
    return float(np.median(off)) if off else 0.0


def are_off_slices(planes: Sequence[ContourPlane], slices_mm: np.ndarray, slice_distance_mm: float) -> bool:
    """Whether contours were drawn on other slices, so that none of these shows what was drawn."""
    return off_slices_mm(planes, slices_mm) > _OFF_SLICES * slice_distance_mm


def tell_shape(planes: Sequence[ContourPlane]) -> bool:
    """Whether there are enough planes to tell how a shape goes on between them."""
    return len(planes) >= _FEWEST


def are_sparser(planes: Sequence[ContourPlane], slice_distance_mm: float) -> bool:
    """Whether contours one above the other leave slices between them without any, as a rule."""
    heights = [plane.height_mm for plane in planes]
    stacked = [
        upper - lower
        for lower, upper, overlap in zip(heights, heights[1:], _overlaps(planes), strict=False)
        if overlap and upper - lower <= _FARTHEST_MM
    ]
    if not stacked:
        return False
    gap = float(np.median(stacked))
    # of two contours alone, one slice between them may have been skipped
    return gap > (_AS_DENSE[1] if len(stacked) > 1 else 2.5) * slice_distance_mm


def skipped_slices(planes: Sequence[ContourPlane], slices_mm: np.ndarray) -> int:
    """How many slices, of the heights given, have no contour between contours one above the other."""
    skipped = 0
    for lower, upper, overlap in zip(planes, planes[1:], _overlaps(planes), strict=False):
        if overlap and upper.height_mm - lower.height_mm <= _FARTHEST_MM:
            bottom, top = slices_mm[lower.slice_index], slices_mm[upper.slice_index]
            skipped += int(np.count_nonzero((slices_mm > bottom) & (slices_mm < top)))
    return skipped


def _overlaps(planes: Sequence[ContourPlane]) -> list[bool]:
    """Whether each plane's contours lie above those of the one before, by their boxes."""
    boxes = [plane.box for plane in planes]
    return [
        bool(np.all(low <= other_high) and np.all(other_low <= high))
        for (low, high), (other_low, other_high) in pairwise(boxes)
    ]
