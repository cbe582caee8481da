"""Which pixel centres polygons hold, in fractions: the truth that the rasterizer is held against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np

Points = Sequence[tuple[float, float]]


def inside(polygon: Points, row: int, column: int) -> bool:
    """Even-odd rule by its definition, without rounding: crossings of the ray towards column 0.

    Half-open as the rasterizer is documented to be: a centre on an edge is inside where the polygon lies
    towards higher columns, or rows.
    """
    points = [(Fraction(r), Fraction(c)) for r, c in polygon]
    crossings = 0
    for (r0, c0), (r1, c1) in zip(points, points[1:] + points[:1], strict=True):
        if (r0 <= row) != (r1 <= row):
            crossings += c0 + (row - r0) * (c1 - c0) / (r1 - r0) <= column
    return crossings % 2 == 1


def exact_mask(polygon: Points, shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centre is in the polygon, bool."""
    mask = np.zeros(shape, dtype=bool)
    for row, column in np.ndindex(shape):
        mask[row, column] = inside(polygon, row, column)
    return mask


def parity(polygons: Iterable[Points], shape: tuple[int, int]) -> np.ndarray:
    """Pixels in an odd number of polygons."""
    return np.logical_xor.reduce([exact_mask(p, shape) for p in polygons])


def union(polygons: Iterable[Points], shape: tuple[int, int]) -> np.ndarray:
    """Pixels in any of the polygons."""
    return np.logical_or.reduce([exact_mask(p, shape) for p in polygons])


def doubled_area(polygon: Points) -> Fraction:
    """Twice the enclosed area of a polygon that does not cross itself (shoelace formula)."""
    points = [(Fraction(r), Fraction(c)) for r, c in polygon]
    pairs = zip(points, points[1:] + points[:1], strict=True)
    return abs(sum((r0 * c1 - r1 * c0 for (r0, c0), (r1, c1) in pairs), Fraction(0)))
