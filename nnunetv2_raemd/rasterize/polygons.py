"""Polygons in pixel coordinates: filling, containment, combination. Numpy only.

A polygon is an array of shape (N, 2) of (row, column) points, pixel centres at whole numbers, closed by
itself. It may touch or cross itself: inside is what the even-odd rule says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Two outlines closer than this are the same line: far above rounding, far below what a reader can draw.
SAME_LINE_PIXELS = 1e-4


def fill_polygon(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Boolean mask of `shape` of the pixels whose centre is inside `polygon` by the even-odd rule.

    Half-open: a centre on an edge is inside where the polygon lies towards higher columns (for a horizontal
    edge: rows) and outside otherwise. Exact for coordinates that are multiples of 2^-20 and edges up to 64
    pixels long. The polygon may leave the image, it is cut at the border.
    """
    mask = np.zeros(shape, dtype=bool)
    low = np.clip(np.ceil(polygon.min(axis=0)), 0, shape).astype(int)
    high = np.clip(np.floor(polygon.max(axis=0)) + 1, 0, shape).astype(int)
    if np.all(high > low):
        window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        mask[window] = _fill(polygon - low, tuple(high - low))
    return mask


def combine_contours(polygons: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Mask of the closed contours of one structure in one slice (DICOM CLOSED_PLANAR).

    Largest first: a contour that repeats an earlier one is dropped, one that lies within an earlier one
    toggles its inside (a hole, or an island in a hole), any other is united.
    """
    mask = np.zeros(shape, dtype=bool)
    earlier: list[np.ndarray] = []
    for polygon in sorted(polygons, key=_area, reverse=True):
        around = [other for other in earlier if contains(other, polygon)]
        if any(_same_area(other, polygon) for other in around):
            continue
        inside = fill_polygon(polygon, shape)
        mask = mask ^ inside if around else mask | inside
        earlier.append(polygon)
    return mask


def symmetric_difference(polygons: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Mask of the pixels inside an odd number of `polygons`."""
    mask = np.zeros(shape, dtype=bool)
    for polygon in polygons:
        mask ^= fill_polygon(polygon, shape)
    return mask


def contains(outer: np.ndarray, inner: np.ndarray) -> bool:
    """Whether `inner` lies within `outer`; the outlines may touch."""
    if np.any(inner.min(axis=0) < outer.min(axis=0) - SAME_LINE_PIXELS):
        return False
    if np.any(inner.max(axis=0) > outer.max(axis=0) + SAME_LINE_PIXELS):
        return False
    # midpoints too: an edge between two points on the outline may run outside
    samples = np.concatenate([inner, (inner + _next(inner)) / 2])
    within = _on_outline(outer, samples) | _strictly_inside(outer, samples)
    return bool(within.all()) and not _cross(outer, inner)


def without_repeated_points(polygon: np.ndarray) -> np.ndarray:
    """`polygon` without points that equal the one before, the closing point included."""
    return polygon[np.any(polygon != np.roll(polygon, 1, axis=0), axis=1)]


def _fill(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Scan lines: from each crossing of a row with an edge on, all pixels to the right are toggled."""
    rows, columns = shape
    start, end = polygon, _next(polygon)
    # Every edge is walked downwards, so that the two banks of a keyhole's channel cross at the same spot.
    downwards = (start[:, 0] <= end[:, 0])[:, None]
    top, bottom = np.where(downwards, start, end), np.where(downwards, end, start)
    first = np.clip(np.ceil(top[:, 0]), 0, rows).astype(int)
    crossings = np.clip(np.ceil(bottom[:, 0]), 0, rows).astype(int) - first
    edge = np.repeat(np.arange(len(polygon)), crossings)
    row = np.arange(len(edge)) + np.repeat(first - np.cumsum(crossings) + crossings, crossings)
    column = np.clip(_first_column_right_of(top[edge], bottom[edge], row), 0, columns)
    toggles = np.bincount(row * (columns + 1) + column, minlength=rows * (columns + 1))
    return np.cumsum(toggles.reshape(rows, columns + 1)[:, :columns], axis=1) % 2 == 1


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


def _next(polygon: np.ndarray) -> np.ndarray:
    return np.roll(polygon, -1, axis=0)


def _area(polygon: np.ndarray) -> float:
    (row, column), (next_row, next_column) = polygon.T, _next(polygon).T
    return abs(float(np.sum(row * next_column - next_row * column))) / 2


def _same_area(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether areas agree to what moving the outline by `SAME_LINE_PIXELS` would change."""
    length = float(np.linalg.norm(_next(one) - one, axis=1).sum())
    return abs(_area(one) - _area(other)) <= SAME_LINE_PIXELS * length


def _strictly_inside(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Even-odd rule for points that are not on the outline, (M,)."""
    start, end = polygon[:, None], _next(polygon)[:, None]
    straddles = (start[..., 0] <= points[:, 0]) != (end[..., 0] <= points[:, 0])
    height = np.where(straddles, end[..., 0] - start[..., 0], 1)
    column = start[..., 1] + (points[:, 0] - start[..., 0]) * (end[..., 1] - start[..., 1]) / height
    return np.count_nonzero(straddles & (column <= points[:, 1]), axis=0) % 2 == 1


def _on_outline(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether points are within `SAME_LINE_PIXELS` of the outline, (M,)."""
    start, edge = polygon[:, None], (_next(polygon) - polygon)[:, None]
    length2 = np.maximum((edge**2).sum(axis=-1), np.finfo(float).tiny)
    along = np.clip(((points - start) * edge).sum(axis=-1) / length2, 0, 1)
    distance = np.linalg.norm(points - start - along[..., None] * edge, axis=-1)
    return distance.min(axis=0) <= SAME_LINE_PIXELS


def _cross(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether an edge of `one` and one of `other` go through each other; touching is not crossing."""
    sides_of_other = _sides(one, other)
    sides_of_one = _sides(other, one).T
    apart = sides_of_other * np.roll(sides_of_other, -1, axis=1) < 0
    apart_too = sides_of_one * np.roll(sides_of_one, -1, axis=0) < 0
    return bool(np.any(apart & apart_too))


def _sides(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Side of each edge's line on which each point lies, (edges, points): -1, 0 or 1."""
    start, edge = polygon[:, None], (_next(polygon) - polygon)[:, None]
    offset = points - start
    length = np.maximum(np.linalg.norm(edge, axis=-1), np.finfo(float).tiny)
    distance = (edge[..., 0] * offset[..., 1] - edge[..., 1] * offset[..., 0]) / length
    return np.where(np.abs(distance) <= SAME_LINE_PIXELS, 0, np.sign(distance))
