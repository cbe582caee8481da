"""Polygons in pixel coordinates: filling and combination.

A polygon is an array of shape (N, 2) of (row, column) points, pixel centres at whole numbers, closed by
itself. It may touch or cross itself: inside is what the even-odd rule says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage

from nnunetv2_raemd.rasterize.containment import SAME_LINE_PIXELS, IntricateOutlinesError, contains

_CROSSINGS_AT_ONCE = 500_000


Window = tuple[slice, slice]


def fill_polygon(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Boolean mask of `shape` of the pixels whose centre is inside `polygon` by the even-odd rule.

    Half-open: a centre on an edge is inside where the polygon lies towards higher columns (for a horizontal
    edge: rows) and outside otherwise. Exact for coordinates that are multiples of 2^-20 and edges up to 64
    pixels long. The polygon may leave the image, it is cut at the border.
    """
    mask = np.zeros(shape, dtype=bool)
    window, inside = fill_window(polygon, shape)
    mask[window] = inside
    return mask


def fill_window(polygon: np.ndarray, shape: tuple[int, int]) -> tuple[Window, np.ndarray]:
    """The part of an image of `shape` that holds `polygon`, and `fill_polygon` there."""
    low = np.clip(np.ceil(polygon.min(axis=0)), 0, shape).astype(int)
    high = np.maximum(np.clip(np.floor(polygon.max(axis=0)) + 1, 0, shape).astype(int), low)
    window = (slice(low[0], high[0]), slice(low[1], high[1]))
    return window, _fill(polygon - low, (int(high[0] - low[0]), int(high[1] - low[1])))


def combine_contours(polygons: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Mask of the closed contours of one structure in one plane (DICOM CLOSED_PLANAR).

    Largest first: a contour that repeats an earlier one is dropped, one that lies within an earlier one
    toggles its inside (a hole, or an island in a hole), any other is united.
    """
    mask = np.zeros(shape, dtype=bool)
    earlier = _Earlier(len(polygons))
    for polygon in sorted(polygons, key=_area, reverse=True):
        around = [other for other in earlier.boxed_round(polygon) if _lies_within(polygon, other, shape)]
        if any(_same_area(other, polygon) for other in around):
            continue
        window, inside = fill_window(polygon, shape)
        mask[window] = mask[window] ^ inside if around else mask[window] | inside
        earlier.add(polygon)
    return mask


class _Earlier:
    """Polygons drawn so far, and their boxes, by which most can be passed over."""

    def __init__(self, number: int) -> None:
        self._polygons: list[np.ndarray] = []
        self._low, self._high = np.zeros((number, 2)), np.zeros((number, 2))

    def add(self, polygon: np.ndarray) -> None:
        at = len(self._polygons)
        self._low[at], self._high[at] = polygon.min(axis=0), polygon.max(axis=0)
        self._polygons.append(polygon)

    def boxed_round(self, polygon: np.ndarray) -> Iterator[np.ndarray]:
        """Those whose box holds that of `polygon`."""
        n = len(self._polygons)
        around = (self._low[:n] - SAME_LINE_PIXELS <= polygon.min(axis=0)).all(axis=1)
        around &= (self._high[:n] + SAME_LINE_PIXELS >= polygon.max(axis=0)).all(axis=1)
        return (self._polygons[i] for i in np.flatnonzero(around))


def _lies_within(inner: np.ndarray, outer: np.ndarray, shape: tuple[int, int]) -> bool:
    """By the outlines; by the pixels for such as are too intricate."""
    try:
        return contains(outer, inner)
    except IntricateOutlinesError:
        return not (fill_polygon(inner, shape) & ~fill_polygon(outer, shape)).any()


def apart_from(mask: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The parts of a mask that have no pixel in common with another."""
    parts, number = ndimage.label(mask, structure=np.ones((3, 3)))
    touched = np.unique(parts[other])
    keep = np.ones(number + 1, dtype=bool)
    keep[[0, *touched]] = False
    return keep[parts]


def symmetric_difference(polygons: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Mask of the pixels inside an odd number of `polygons`."""
    mask = np.zeros(shape, dtype=bool)
    for polygon in polygons:
        window, inside = fill_window(polygon, shape)
        mask[window] ^= inside
    return mask


def without_repeated_points(polygon: np.ndarray) -> np.ndarray:
    """`polygon` without points that equal the one before, the closing point included."""
    return polygon[np.any(polygon != np.roll(polygon, 1, axis=0), axis=1)]


def _fill(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Scan lines: from each crossing of a row with an edge on, all pixels to the right are toggled."""
    rows, columns = shape
    start, end = polygon, np.roll(polygon, -1, axis=0)
    # Every edge is walked downwards, so that the two banks of a keyhole's channel cross at the same spot.
    downwards = (start[:, 0] <= end[:, 0])[:, None]
    top, bottom = np.where(downwards, start, end), np.where(downwards, end, start)
    first = np.clip(np.ceil(top[:, 0]), 0, rows).astype(int)
    crossings = np.clip(np.ceil(bottom[:, 0]), 0, rows).astype(int) - first
    toggles = np.zeros(rows * (columns + 1), dtype=np.int64)
    for some in _portions(crossings):
        edge = np.repeat(some, crossings[some])
        row = np.arange(len(edge)) + np.repeat(
            first[some] - np.cumsum(crossings[some]) + crossings[some], crossings[some]
        )
        column = np.clip(_first_column_right_of(top[edge], bottom[edge], row), 0, columns)
        toggles += np.bincount(row * (columns + 1) + column, minlength=len(toggles))
    return np.cumsum(toggles.reshape(rows, columns + 1)[:, :columns], axis=1) % 2 == 1


def _portions(crossings: np.ndarray) -> Iterator[np.ndarray]:
    """Indices of the edges, so many at a time that their crossings fit into little memory."""
    ends = np.flatnonzero(np.diff(np.cumsum(crossings) // _CROSSINGS_AT_ONCE, prepend=0))
    yield from np.split(np.arange(len(crossings)), ends)


def _first_column_right_of(top: np.ndarray, bottom: np.ndarray, row: np.ndarray) -> np.ndarray:
    """First whole column at or right of where each edge crosses `row`.

    An edge may pass a pixel centre by less than a float can tell at that column, so that the sum lands on it;
    the sign of the cross product still tells the two apart.
    """
    height, width = bottom[:, 0] - top[:, 0], bottom[:, 1] - top[:, 1]
    rise = (row - top[:, 0]) * width
    column = np.ceil(top[:, 1] + rise / height)
    column += rise > (column - top[:, 1]) * height
    return column.astype(int)


def _area(polygon: np.ndarray) -> float:
    (row, column), (next_row, next_column) = polygon.T, np.roll(polygon, -1, axis=0).T
    return abs(float(np.sum(row * next_column - next_row * column))) / 2


def _same_area(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether areas agree to what moving the outline by `SAME_LINE_PIXELS` would change."""
    length = float(np.linalg.norm(np.roll(one, -1, axis=0) - one, axis=1).sum())
    return abs(_area(one) - _area(other)) <= SAME_LINE_PIXELS * length
