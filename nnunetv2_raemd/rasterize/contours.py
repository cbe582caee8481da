"""Planar contours in world coordinates rasterized onto a stack of parallel slices.

Generic and numpy only. Conventions, all of them binding for the masks made with it:

- a contour belongs to the nearest slice by position along the slices' normal; farther than half the usual
  distance of slices from every slice, it is refused;
- within the slice, the slice's own position, orientation and spacing turn millimetres into pixels;
- a pixel is set where its centre is inside the polygon by the even-odd rule. An edge through a pixel centre
  counts half-open: on the edge towards lower row and column the pixel is inside, on the other it is outside,
  so polygons that share an edge neither overlap nor leave a gap;
- contours of one slice are combined by `combine_contours`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nnunetv2_raemd.rasterize.polygons import combine_contours, symmetric_difference, without_repeated_points

MIN_POINTS = 3
# Coordinates come as decimal text of at most 16 characters (DICOM DS); below this many mm they are noise,
# and so a contour midway between two slices goes to the first of them on every machine.
POSITION_NOISE_MM = 1e-4
# Pixel coordinates are rounded to this. A power of two: products of such numbers are exact in float64, so
# that a contour drawn through pixel centres meets the half-open rule and not the last bit of a division.
_COORDINATE_STEP = 2.0**-20


@dataclass(frozen=True)
class Contour:
    """A closed polygon: `points_mm` of shape (N, 3), world coordinates; `name` appears in messages."""

    points_mm: np.ndarray
    name: str = "contour"


@dataclass(frozen=True)
class SliceStack:
    """Geometry of S parallel slices of one orientation, in any order, not necessarily evenly spaced.

    positions_mm: (S, 3), centre of the first pixel of each slice (DICOM ImagePositionPatient).
    column_step_mm: (3,), from a pixel to the next column (direction times spacing).
    row_step_mm: (3,), from a pixel to the next row.
    shape: rows and columns of a slice.
    slice_distance_mm: the usual distance of neighbours; by default the median of those there are.
    """

    positions_mm: np.ndarray
    column_step_mm: np.ndarray
    row_step_mm: np.ndarray
    shape: tuple[int, int]
    slice_distance_mm: float | None = None

    @property
    def normal(self) -> np.ndarray:
        """Unit vector across the slices, (3,)."""
        across = np.cross(self.column_step_mm, self.row_step_mm)
        return across / np.linalg.norm(across)

    @property
    def heights_mm(self) -> np.ndarray:
        """Position of each slice along the normal, (S,)."""
        return self.positions_mm @ self.normal

    @property
    def usual_distance_mm(self) -> float:
        """The given distance of slices, else the median of neighbours; 1 mm for a lone slice."""
        if self.slice_distance_mm is not None:
            return self.slice_distance_mm
        gaps = np.diff(np.unique(self.heights_mm))
        return float(np.median(gaps)) if gaps.size else 1.0


@dataclass
class Rasterized:
    """What became of a structure's contours.

    mask: (S, rows, columns), bool, in the order of the stack.
    drawn: how many contours are in it.
    ignored: contours that enclose nothing, and so are missed by no one.
    in_gaps: contours that lie in a gap between two slices, where one is missing.
    lost: contours that should be in the mask and are not.
    """

    mask: np.ndarray
    drawn: int = 0
    ignored: list[str] = field(default_factory=list)
    in_gaps: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """All that was left out, and why."""
        return [*self.lost, *self.in_gaps, *self.ignored]

    def unite(self, other: Rasterized) -> None:
        """Add the contours of another structure on the same stack; its mask may become ours."""
        if not self.drawn:
            self.mask = other.mask
        elif other.drawn:
            self.mask |= other.mask
        self.drawn += other.drawn
        self.ignored += other.ignored
        self.in_gaps += other.in_gaps
        self.lost += other.lost


def nothing_drawn(stack: SliceStack) -> Rasterized:
    """An empty mask on the slices of `stack`."""
    return Rasterized(np.zeros((len(stack.positions_mm), *stack.shape), dtype=bool))


def rasterize(contours: Sequence[Contour], stack: SliceStack, *, exclusive: bool = False) -> Rasterized:
    """Draw `contours` into the slices of `stack`.

    `exclusive` combines the contours of a slice by pure exclusive-or, as DICOM's CLOSEDPLANAR_XOR asks for
    (PS3.3 C.8.8.6.3), instead of by `combine_contours`. What cannot be drawn is named in the result.
    """
    combine = symmetric_difference if exclusive else combine_contours
    result = nothing_drawn(stack)
    for index, in_slice in _polygons_by_slice(contours, stack, result).items():
        result.mask[index] = combine(in_slice, stack.shape)
        result.drawn += len(in_slice)
    return result


def _polygons_by_slice(
    contours: Sequence[Contour], stack: SliceStack, result: Rasterized
) -> dict[int, list[np.ndarray]]:
    polygons: dict[int, list[np.ndarray]] = defaultdict(list)
    for contour in contours:
        points = contour.points_mm
        if len(points) < MIN_POINTS or len(without_repeated_points(points)) < MIN_POINTS:
            result.ignored.append(f"{contour.name}: only {len(points)} points")
        elif not np.isfinite(points).all():
            result.lost.append(f"{contour.name}: coordinates that are not finite")
        elif (index := _nearest_slice(points, stack)) is not None:
            polygons[index].append(_to_pixels(points, stack, index))
        else:
            _refuse(contour, stack, result)
    return polygons


def _nearest_slice(points_mm: np.ndarray, stack: SliceStack) -> int | None:
    """Index of the slice that all points are nearest to, or None beyond half the usual slice distance."""
    heights = points_mm @ stack.normal
    index = nearest_height(stack.heights_mm, float(heights.mean()))
    farthest = float(np.abs(heights - stack.heights_mm[index]).max())
    return index if farthest <= stack.usual_distance_mm / 2 + POSITION_NOISE_MM else None


def nearest_height(heights_mm: np.ndarray, wanted_mm: float) -> int:
    """Index of the height nearest to the one wanted, of two as near the lower."""
    distances = np.abs(heights_mm - wanted_mm)
    tied = np.flatnonzero(distances <= distances.min() + POSITION_NOISE_MM)
    return int(tied[np.argmin(heights_mm[tied])])


def _refuse(contour: Contour, stack: SliceStack, result: Rasterized) -> None:
    heights, slices = contour.points_mm @ stack.normal, stack.heights_mm
    if np.ptp(heights) > stack.usual_distance_mm / 2:
        result.lost.append(f"{contour.name}: not parallel to the slices")
    elif slices.min() < heights.min() and heights.max() < slices.max():
        result.in_gaps.append(f"{contour.name}: no slice within half a slice distance")
    else:
        result.lost.append(f"{contour.name}: no slice there, it lies beyond the first or last one")


def _to_pixels(points_mm: np.ndarray, stack: SliceStack, index: int) -> np.ndarray:
    """(row, column) of points in slice `index`, freed of rounding noise by `_COORDINATE_STEP`."""
    steps = np.stack([stack.row_step_mm, stack.column_step_mm], axis=1)
    pixels = (points_mm - stack.positions_mm[index]) @ np.linalg.pinv(steps).T
    return without_repeated_points(np.round(pixels / _COORDINATE_STEP) * _COORDINATE_STEP)
