"""Shapes between the planes in which they were drawn.

In each plane a shape is described by F = S (2 r - S), where S is the distance to its outline, positive inside
and negative outside, and r the greatest of it. Of a disc, F is the square of its radius less that of the
distance from its centre; so over the planes of a ball or an ellipsoid, F changes with the square of the
height and is interpolated exactly by a polynomial through three planes. (Interpolating S itself, as is usual
since Raya and Udupa, IEEE Transactions on Medical Imaging 9 (1990), makes balls too thin between planes, and
cylinders of their ends.) Beyond the last plane a shape goes on as the polynomial says, and never farther than
the plane that was left empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

# Planes farther apart than this many usual distances are not of one shape.
_GAP = 1.5
# A polynomial through planes of more uneven distances would swing between them.
_UNEVEN = 2.0
_MARGIN = 4


@dataclass(frozen=True)
class Spacing:
    """pixel_mm: rows and columns; planes_mm: usual distance of planes; on_plane_mm: what counts as none."""

    pixel_mm: tuple[float, float]
    planes_mm: float
    on_plane_mm: float


def shapes_at(
    wanted_mm: np.ndarray, heights_mm: np.ndarray, masks: np.ndarray, spacing: Spacing
) -> np.ndarray:
    """Masks (len(wanted_mm), rows, columns) of the shapes drawn as `masks` (P, rows, columns), bool.

    Heights ascend. A shape whose mask nowhere overlaps another's in the next plane is another shape, and each
    begins and ends by itself. At a plane it is what was drawn.
    """
    out = np.zeros((len(wanted_mm), *masks.shape[1:]), dtype=bool)
    breaks = np.flatnonzero(np.diff(heights_mm) > _GAP * spacing.planes_mm) + 1
    for run in np.split(np.arange(len(heights_mm)), breaks):
        labels, _ = ndimage.label(masks[run], structure=_linked())
        for number, box in enumerate(ndimage.find_objects(labels), start=1):
            planes, rows, columns = box
            shape = _Shape(heights_mm[run][planes], np.asarray(labels[box] == number), spacing)
            target, source = zip(
                _widened(rows, masks.shape[1]), _widened(columns, masks.shape[2]), strict=True
            )
            for index in np.flatnonzero(shape.may_reach(wanted_mm)):
                out[index][target] |= shape.at(float(wanted_mm[index]))[source]
    return out


def _linked() -> np.ndarray:
    """Neighbours within a plane, corners included, and the same pixel in the next."""
    linked = ndimage.generate_binary_structure(3, 1)
    linked[1] = True
    return linked


def _widened(part: slice, length: int) -> tuple[slice, slice]:
    """The part with its margin, as far as there are pixels, and where that is in the part with all of it."""
    target = slice(max(part.start - _MARGIN, 0), min(part.stop + _MARGIN, length))
    first = part.start - _MARGIN
    return target, slice(target.start - first, target.stop - first)


class _Shape:
    """One shape in neighbouring planes, `_MARGIN` pixels wider than what was drawn."""

    def __init__(self, heights_mm: np.ndarray, masks: np.ndarray, spacing: Spacing) -> None:
        self._heights, self._spacing = heights_mm, spacing
        self._masks = np.pad(masks, ((0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN)))
        self._known: dict[int, _Field] = {}

    def may_reach(self, wanted_mm: np.ndarray) -> np.ndarray:
        step = self._spacing.planes_mm - self._spacing.on_plane_mm  # the next plane was left empty
        return (wanted_mm > self._heights[0] - step) & (wanted_mm < self._heights[-1] + step)

    def at(self, height_mm: float) -> np.ndarray:
        nearest = int(np.argmin(np.abs(self._heights - height_mm)))
        if abs(self._heights[nearest] - height_mm) <= self._spacing.on_plane_mm:
            return self._masks[nearest]
        above = int(np.searchsorted(self._heights, height_mm))
        if 0 < above < len(self._heights):
            about = range(max(above - 2, 0), min(above + 2, len(self._heights)))
            return self._through(self._even(about, above - 1), height_mm) > 0
        return self._beyond(min(above, len(self._heights) - 1), height_mm) > 0

    def _beyond(self, last: int, height_mm: float) -> np.ndarray:
        """Going on as three planes say, but no farther than to a point at the next plane."""
        number = len(self._heights)
        at_end = range(min(3, number)) if last == 0 else range(max(number - 3, 0), number)
        going_on = self._through(self._even(at_end, last), height_mm)
        part = abs(height_mm - self._heights[last]) / self._spacing.planes_mm
        return np.minimum(going_on, self._field(last).values - part * self._field(last).greatest)

    def _even(self, planes: Sequence[int], nearest: int) -> Sequence[int]:
        """The planes where they are about evenly spaced, else of them the nearest and its neighbour."""
        gaps = np.diff(self._heights[list(planes)])
        if len(gaps) < 2 or gaps.max() <= _UNEVEN * gaps.min():
            return planes
        return [nearest, nearest + 1] if nearest + 1 in planes else [nearest - 1, nearest]

    def _through(self, planes: Sequence[int], height_mm: float) -> np.ndarray:
        """Lagrange's polynomial through the fields of some planes."""
        total = np.zeros(self._masks.shape[1:])
        for i in planes:
            others = self._heights[[j for j in planes if j != i]]
            weight = np.prod((height_mm - others) / (self._heights[i] - others))
            total += weight * self._field(i).values
        return total

    def _field(self, plane: int) -> _Field:
        if plane not in self._known:
            self._known[plane] = _Field(self._masks[plane], self._spacing.pixel_mm)
        return self._known[plane]


@dataclass(frozen=True)
class _Field:
    """F of one plane in mm^2, of each part of the shape by its own r."""

    mask: np.ndarray
    pixel_mm: tuple[float, float]

    @property
    def values(self) -> np.ndarray:
        distance, radius = self._distance_and_radius
        return distance * (2 * radius - distance)

    @property
    def greatest(self) -> np.ndarray:
        """The greatest value of the part that is there or nearest."""
        return self._distance_and_radius[1] ** 2

    @cached_property
    def _distance_and_radius(self) -> tuple[np.ndarray, np.ndarray]:
        half = sum(self.pixel_mm) / 4  # the outline runs between the centres of pixels
        within = ndimage.distance_transform_edt(self.mask, sampling=self.pixel_mm)
        without, nearest = ndimage.distance_transform_edt(
            ~self.mask, sampling=self.pixel_mm, return_indices=True
        )
        distance = np.where(self.mask, within - half, half - without)
        parts, number = ndimage.label(self.mask, structure=np.ones((3, 3)))
        radii = np.array([0.0, *ndimage.maximum(distance, parts, range(1, number + 1))])
        return distance, radii[parts[tuple(nearest)]]
