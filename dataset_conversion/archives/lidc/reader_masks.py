"""Contours of LIDC's readers turned into voxels of an image's own grid.

The convention is LUNA16's own: the diameters that `annotations.csv` states come out exactly (see
`luna16.check`). A voxel belongs to the nodule where its centre lies strictly inside a contour; the pixels
that the contour runs through do not. A hole's contour takes away what it encloses and what it runs through.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from nnunetv2_raemd.dataset_conversion.archives.lidc.annotations import ReaderAnnotation, ReaderContour
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.rasterize.polygons import fill_polygon

# LIDC's contours lie on slices to a few hundredths of a slice distance: origin and spacing of a header are
# rounded. Farther off, the header's slices are not where the scan's were.
MAX_OFF_SLICE = 0.25
_MAX_TILT = 1e-3
_LONGEST_OUTLINE = 10_000_000  # pixels


@dataclass(frozen=True)
class AxialGrid:
    """The grid of a CT image whose slices are axial; its axes may point either way.

    size, origin_mm, spacing_mm in x, y, z; direction as SimpleITK's, nine numbers by rows.
    """

    size: tuple[int, int, int]
    origin_mm: tuple[float, float, float]
    spacing_mm: tuple[float, float, float]
    direction: tuple[float, ...] = (1, 0, 0, 0, 1, 0, 0, 0, 1)

    def __post_init__(self) -> None:
        if np.abs(np.abs(self._axes) - np.eye(3)).max() > _MAX_TILT:
            raise UserError(f"the scan's slices are not axial (direction {self.direction})")

    @classmethod
    def of(cls, image: sitk.Image) -> AxialGrid:
        return cls(image.GetSize(), image.GetOrigin(), image.GetSpacing(), image.GetDirection())

    @property
    def voxel_mm3(self) -> float:
        return float(np.prod(self.spacing_mm))

    def slice_at(self, z_mm: float) -> int | None:
        """Index of the slice at world z; None where there is none within `MAX_OFF_SLICE`."""
        index = (z_mm - self.origin_mm[2]) / (self.spacing_mm[2] * self._axes[2, 2])
        nearest = round(index)
        on_slice = abs(index - nearest) <= MAX_OFF_SLICE and 0 <= nearest < self.size[2]
        return nearest if on_slice else None

    def to_world(self, index_zyx: np.ndarray) -> np.ndarray:
        """World (x, y, z) in mm of a voxel index (z, y, x), which need not be whole."""
        return np.asarray(self.origin_mm) + self._axes @ (index_zyx[::-1] * np.asarray(self.spacing_mm))

    @property
    def _axes(self) -> np.ndarray:
        return np.reshape(self.direction, (3, 3))


@dataclass(frozen=True)
class VoxelSet:
    """Voxels of a grid: `inside`, boolean (z, y, x), is the box of it that begins at the index `start`."""

    start: np.ndarray
    inside: np.ndarray

    @property
    def stop(self) -> np.ndarray:
        return self.start + self.inside.shape

    @property
    def count(self) -> int:
        return int(np.count_nonzero(self.inside))

    @property
    def centre(self) -> np.ndarray:
        """Mean index (z, y, x)."""
        return np.array([axis.mean() for axis in np.nonzero(self.inside)]) + self.start

    @property
    def box(self) -> tuple[slice, ...]:
        """Where the box lies in the grid."""
        return tuple(slice(a, b) for a, b in zip(self.start, self.stop, strict=True))

    def touches(self, other: VoxelSet) -> bool:
        """Whether the two have a voxel in common."""
        start, stop = np.maximum(self.start, other.start), np.minimum(self.stop, other.stop)
        if np.any(stop <= start):
            return False
        mine, theirs = (
            part.inside[
                tuple(slice(a, b) for a, b in zip(start - part.start, stop - part.start, strict=True))
            ]
            for part in (self, other)
        )
        return bool(np.any(mine & theirs))


def at_least(sets: Sequence[VoxelSet], number: int) -> VoxelSet:
    """The voxels that are in at least `number` of the sets."""
    start = np.min([part.start for part in sets], axis=0)
    stop = np.max([part.stop for part in sets], axis=0)
    votes = np.zeros(stop - start, dtype=np.int16)
    for part in sets:
        votes[VoxelSet(part.start - start, part.inside).box] += part.inside
    return VoxelSet(start, votes >= number)


def draw_annotation(annotation: ReaderAnnotation, grid: AxialGrid) -> tuple[VoxelSet, list[str]]:
    """The voxels of a reader's nodule, and what could not be drawn.

    Columns and rows of the contours are those of the image's array, whichever way its axes point in the
    world. Voxels outside the grid are left out.
    """
    in_slice, problems = _by_slice(annotation, grid)
    if not in_slice:
        return VoxelSet(np.zeros(3, dtype=int), np.zeros((0, 0, 0), dtype=bool)), problems
    outlines = np.concatenate([c.points[:, ::-1] for contours in in_slice.values() for c in contours])
    rows_and_columns = np.array(grid.size[1::-1])
    # a contour runs beside its nodule: of one at the border, on the next pixel
    if np.any(outlines > rows_and_columns):
        problems.append(
            f"nodule {annotation.nodule_id}: the part of it that lies beside the image is cut off"
        )
    low = np.clip(outlines.min(axis=0), 0, rows_and_columns)
    high = np.clip(outlines.max(axis=0) + 1, low, rows_and_columns)
    first, last = min(in_slice), max(in_slice)
    inside = np.zeros((last - first + 1, *(high - low)), dtype=bool)
    for index, contours in in_slice.items():
        _draw_slice(inside[index - first], contours, low)
    return VoxelSet(np.array([first, *low]), inside), problems


def _by_slice(
    annotation: ReaderAnnotation, grid: AxialGrid
) -> tuple[dict[int, list[ReaderContour]], list[str]]:
    in_slice: dict[int, list[ReaderContour]] = defaultdict(list)
    problems = []
    for contour in annotation.contours:
        index = grid.slice_at(contour.z_mm)
        if index is None:
            problems.append(f"nodule {annotation.nodule_id}: no slice at z = {contour.z_mm:g} mm")
        else:
            in_slice[index].append(contour)
    return in_slice, problems


def _draw_slice(inside: np.ndarray, contours: Sequence[ReaderContour], low: np.ndarray) -> None:
    """Draw the contours of one slice, holes last, into the part of it that begins at (row, column) `low`.

    What lies outside that part is left out.
    """
    for contour in sorted(contours, key=lambda contour: not contour.inclusion):
        outline = contour.points[:, ::-1] - low
        start, filled, edge = fill_outline(outline)
        target = tuple(slice(max(a, 0), max(a + n, 0)) for a, n in zip(start, filled.shape, strict=True))
        part = inside[target]
        source = tuple(slice(max(-a, 0), max(-a, 0) + n) for a, n in zip(start, part.shape, strict=True))
        filled, edge = filled[source], edge[source]
        if contour.inclusion:
            part |= filled & ~edge
        else:
            part &= ~(filled | edge)


def fill_outline(outline: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First (row, column), filled pixels, and the pixels that the closed outline (N, 2) runs through.

    Both masks are of the outline's bounding box; of the pixels on the outline, some count as filled.
    """
    start = outline.min(axis=0)
    shape = tuple(outline.max(axis=0) - start + 1)
    edge = np.zeros(shape, dtype=bool)
    edge[tuple(_pixels_on(outline - start).T)] = True
    return start, fill_polygon((outline - start).astype(float), shape), edge


def _pixels_on(outline: np.ndarray) -> np.ndarray:
    """The pixels whose centre is on the outline: its points, and any between points farther apart."""
    edges = np.roll(outline, -1, axis=0) - outline
    pixels = np.maximum(np.gcd(*edges.T), 1)
    if pixels.sum() > _LONGEST_OUTLINE:
        raise UserError("a contour is longer than any that a reader draws: the annotations are damaged")
    step = np.arange(pixels.sum()) - np.repeat(np.cumsum(pixels) - pixels, pixels)
    return np.repeat(outline, pixels, axis=0) + step[:, None] * np.repeat(
        edges // pixels[:, None], pixels, axis=0
    )
