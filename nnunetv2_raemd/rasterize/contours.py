"""Planar contours in world coordinates rasterized onto a stack of parallel slices.

Generic. Conventions, all of them binding for the masks made with it:

- a contour belongs to the plane at its height along the slices' normal, and only contours of one plane are
  combined with each other, by `combine_contours`;
- a plane belongs to the nearest slice; farther than half the usual distance of slices from every slice, its
  contours are refused;
- where planes are denser than slices, or lie between them, what lies in a slice is interpolated between them
  (`between_planes`); where single slices have several planes, the nearest one counts, and of the others such
  parts as it does not touch;
- where planes are sparser than slices, the slices between stay empty unless they are to be bridged, and this
  is told;
- within the slice, the slice's own position, orientation and spacing turn millimetres into pixels;
- a pixel is set where its centre is inside the polygon by the even-odd rule. An edge through a pixel centre
  counts half-open: on the edge towards lower row and column the pixel is inside, on the other it is outside,
  so polygons that share an edge neither overlap nor leave a gap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from nnunetv2_raemd.rasterize.between_planes import Spacing, shapes_at
from nnunetv2_raemd.rasterize.contour_planes import (
    SAME_PLANE_FRACTION,
    ContourPlane,
    are_denser,
    are_off_slices,
    are_sparser,
    into_planes,
    off_slices_mm,
    plane_distance_mm,
    skipped_slices,
    tell_shape,
)
from nnunetv2_raemd.rasterize.polygons import (
    apart_from,
    combine_contours,
    fill_window,
    symmetric_difference,
    without_repeated_points,
)

_Combine = Callable[[Sequence[np.ndarray], tuple[int, int]], np.ndarray]
_FINER = 3  # odd, so that the centre of each pixel is that of a finer one
_MOST_PIXELS = 20_000_000  # of all planes and slices together; beyond, shapes are followed in the image's own
_BESIDE = 1e-3  # pixels; contours are drawn along the border, too
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
    outside: contours that lie wholly beside the image.
    in_gaps: contours that lie in a gap between two slices, where one is missing.
    lost: contours that should be in the mask and are not.
    sparse: that contours are drawn on planes farther apart than the slices, which are empty between them.
    notes: what else is worth knowing.
    """

    mask: np.ndarray
    drawn: int = 0
    ignored: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    in_gaps: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    sparse: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """All that was left out, and why."""
        return [*self.lost, *self.in_gaps, *self.outside, *self.ignored]

    def unite(self, other: Rasterized) -> None:
        """Add the contours of another structure on the same stack; its mask may become ours."""
        if not self.drawn:
            self.mask = other.mask
        elif other.drawn:
            self.mask |= other.mask
        self.drawn += other.drawn
        for kind in ("ignored", "outside", "in_gaps", "lost", "sparse", "notes"):
            getattr(self, kind).extend(getattr(other, kind))


def nothing_drawn(stack: SliceStack) -> Rasterized:
    """An empty mask on the slices of `stack`."""
    return Rasterized(np.zeros((len(stack.positions_mm), *stack.shape), dtype=bool))


def rasterize(
    contours: Sequence[Contour], stack: SliceStack, *, exclusive: bool = False, bridge: bool = False
) -> Rasterized:
    """Draw `contours` into the slices of `stack`.

    `exclusive` combines the contours of a plane by pure exclusive-or, as DICOM's CLOSEDPLANAR_XOR asks for
    (PS3.3 C.8.8.6.3), instead of by `combine_contours`. `bridge` interpolates in slices between planes that
    are sparser than slices. What cannot be drawn is named in the result.
    """
    result = nothing_drawn(stack)
    planes = into_planes(_placed(contours, stack, result), stack.usual_distance_mm)
    result.drawn = sum(len(plane.polygons) for plane in planes)
    combine = symmetric_difference if exclusive else combine_contours
    between = _has_one_frame(stack) and _is_between(planes, stack, result, bridge=bridge)
    (_draw_between if between else _draw_nearest)(planes, stack, combine, result)
    return result


def _is_between(
    planes: Sequence[ContourPlane], stack: SliceStack, result: Rasterized, *, bridge: bool
) -> bool:
    """Whether to interpolate between planes; says in `result` how these lie."""
    slices_mm = stack.usual_distance_mm
    planes_mm = plane_distance_mm(planes) or 0.0
    lie = f"contours are drawn {planes_mm:.3g} mm apart, slices are {slices_mm:.3g} mm apart"
    if are_denser(planes, slices_mm):
        result.notes.append(f"{lie}: interpolated between the planes")
        return True
    if are_sparser(planes, slices_mm):
        if bridge:
            result.notes.append(f"{lie}: slices between are interpolated")
        else:
            result.sparse.append(lie)
        return bridge
    if tell_shape(planes) and are_off_slices(planes, stack.heights_mm, slices_mm):
        off_mm = off_slices_mm(planes, stack.heights_mm)
        result.notes.append(f"contours lie between slices (median {off_mm:.3g} mm off): interpolated")
        return True
    return False


def _draw_nearest(
    planes: Sequence[ContourPlane], stack: SliceStack, combine: _Combine, result: Rasterized
) -> None:
    """Each plane into its nearest slice; of several in one slice the nearest counts."""
    by_slice: dict[int, list[ContourPlane]] = defaultdict(list)
    for plane in planes:
        by_slice[plane.slice_index].append(plane)
    for index, several in by_slice.items():
        several.sort(key=lambda plane: abs(plane.height_mm - stack.heights_mm[index]))
        mask = combine(several[0].polygons, stack.shape)
        for plane in several[1:]:
            mask |= apart_from(combine(plane.polygons, stack.shape), mask)
        result.mask[index] = mask
    crowded = sum(len(several) > 1 for several in by_slice.values())
    if crowded:
        result.notes.append(
            f"{crowded} slices have contours at several heights: of those that overlap, the nearest count"
        )
    if are_off_slices(planes, stack.heights_mm, stack.usual_distance_mm):
        off_mm = off_slices_mm(planes, stack.heights_mm)
        result.notes.append(f"contours lie between slices (median {off_mm:.3g} mm off): drawn in the nearest")
    skipped = 0 if result.sparse else skipped_slices(planes, stack.heights_mm)
    if skipped:
        result.notes.append(f"{skipped} slices between contours have none and stay empty")


def _draw_between(
    planes: Sequence[ContourPlane], stack: SliceStack, combine: _Combine, result: Rasterized
) -> None:
    """Shapes are followed in finer pixels than the image's, for outlines run between pixels."""
    if not planes:
        return
    low, high = _window(planes, stack.shape)
    rows, columns = (int(n) for n in high - low)
    finer = _FINER if (len(planes) + len(stack.positions_mm)) * rows * columns <= _MOST_PIXELS else 1
    middle = (finer - 1) // 2
    masks = [
        combine(
            [(polygon - low) * finer + middle for polygon in plane.polygons], (rows * finer, columns * finer)
        )
        for plane in planes
    ]
    spacing = Spacing(
        (
            float(np.linalg.norm(stack.row_step_mm)) / finer,
            float(np.linalg.norm(stack.column_step_mm)) / finer,
        ),
        plane_distance_mm(planes) or stack.usual_distance_mm,
        SAME_PLANE_FRACTION * stack.usual_distance_mm,
    )
    heights = np.array([plane.height_mm for plane in planes])
    shapes = shapes_at(stack.heights_mm, heights, np.stack(masks), spacing)
    result.mask[:, low[0] : high[0], low[1] : high[1]] = shapes[:, middle::finer, middle::finer]


def _window(planes: Sequence[ContourPlane], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where the part of the image begins, and ends, that holds all planes and some pixels round them."""
    boxes = [plane.box for plane in planes]
    low = np.floor(np.min([box[0] for box in boxes], axis=0)).astype(int) - 2
    high = np.ceil(np.max([box[1] for box in boxes], axis=0)).astype(int) + 3
    return np.clip(low, 0, shape), np.clip(high, 0, shape)


def _has_one_frame(stack: SliceStack) -> bool:
    """Whether slices lie straight above each other, so that a polygon has the same pixels in each."""
    offsets = stack.positions_mm - stack.positions_mm[0]
    sideways = offsets - np.outer(offsets @ stack.normal, stack.normal)
    return bool(np.abs(sideways).max() <= POSITION_NOISE_MM)


def _placed(
    contours: Sequence[Contour], stack: SliceStack, result: Rasterized
) -> list[tuple[float, int, np.ndarray]]:
    """Height, nearest slice, and polygon in its pixels, of each contour that can be drawn."""
    placed = []
    for contour in contours:
        points = contour.points_mm
        if len(points) < MIN_POINTS or len(without_repeated_points(points)) < MIN_POINTS:
            result.ignored.append(f"{contour.name}: only {len(points)} points")
        elif not np.isfinite(points).all():
            result.lost.append(f"{contour.name}: coordinates that are not finite")
        elif (index := _nearest_slice(points, stack)) is not None:
            polygon = _to_pixels(points, stack, index)
            if _is_drawable(contour, polygon, stack, result):
                placed.append((float((points @ stack.normal).mean()), index, polygon))
        else:
            _refuse(contour, stack, result)
    return placed


def _is_drawable(contour: Contour, polygon: np.ndarray, stack: SliceStack, result: Rasterized) -> bool:
    """Whether it holds a voxel; says so where it does not, or lies beside the image in part or wholly."""
    low, high, last = polygon.min(axis=0), polygon.max(axis=0), np.array(stack.shape) - 0.5
    if np.any(high < -0.5) or np.any(low > last):
        result.outside.append(f"{contour.name}: it lies beside the image")
        return False
    if not fill_window(polygon, stack.shape)[1].any():
        result.ignored.append(f"{contour.name}: it encloses no voxel centre")
        return False
    if np.any(low < -0.5 - _BESIDE) or np.any(high > last + _BESIDE):
        result.notes.append(f"{contour.name}: the part of it that lies beside the image is cut off")
    return True


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
