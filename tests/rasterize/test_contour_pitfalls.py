"""Every shape and every geometry that rasterizers get wrong: 0 pixels may differ from the exact answer."""

from __future__ import annotations

import numpy as np
import pytest
from exact_polygons import Points, exact_mask, parity, union

from nnunetv2_raemd.rasterize.contours import Contour, SliceStack, rasterize

SHAPE = (12, 15)  # counts of rows and columns differ
SPACING_MM = (0.75, 1.25)  # of rows and of columns


def box(top: float, left: float, bottom: float, right: float) -> list[tuple[float, float]]:
    return [(top, left), (top, right), (bottom, right), (bottom, left)]


def disc(row: float, column: float, radius: float, corners: int = 64) -> list[tuple[float, float]]:
    angle = 2 * np.pi * np.arange(corners) / corners
    at = (
        np.round(np.stack([row + radius * np.sin(angle), column + radius * np.cos(angle)], axis=1) * 1024)
        / 1024
    )
    return [(float(r), float(c)) for r, c in at]


def keyhole(outer: Points, hole: Points) -> list[tuple[float, float]]:
    """Round the outside, over to the hole, round it the other way, and back the same way."""
    return [*outer, outer[0], *hole[::-1], hole[-1], outer[0]]


ROUND, HOLE, ISLAND = disc(5.3, 7.1, 5.0), disc(5.3, 7.1, 3.0), disc(5.3, 7.1, 1.2)
PAIR = (disc(4.0, 4.5, 3.1), disc(6.0, 8.5, 3.4))

OUTSIDE, TINY = box(30, 30, 40, 40), disc(5.4, 7.5, 0.3)
# the contours of one slice, and the pixels that are theirs
SHAPES: dict[str, tuple[list[Points], np.ndarray]] = {
    "plain": ([ROUND], exact_mask(ROUND, SHAPE)),
    "through pixel centres": ([box(2, 3, 9, 11)], exact_mask(box(2, 3, 9, 11), SHAPE)),
    "keyhole ring": ([keyhole(ROUND, HOLE)], parity([ROUND, HOLE], SHAPE)),
    "keyhole along pixel centres": (
        [keyhole(box(1, 1, 10, 13), box(4, 5, 7, 9))],
        parity([box(1, 1, 10, 13), box(4, 5, 7, 9)], SHAPE),
    ),
    "two-contour ring": ([HOLE, ROUND], parity([ROUND, HOLE], SHAPE)),
    "island in a hole": ([ISLAND, ROUND, HOLE], parity([ROUND, HOLE, ISLAND], SHAPE)),
    "duplicated contour": ([ROUND, ROUND], exact_mask(ROUND, SHAPE)),
    "duplicated the other way round": ([ROUND, ROUND[::-1]], exact_mask(ROUND, SHAPE)),
    "duplicated hole": ([ROUND, HOLE, HOLE], parity([ROUND, HOLE], SHAPE)),
    "overlapping pair": (list(PAIR), union(PAIR, SHAPE)),
    "two apart": ([disc(3, 3, 1.7), disc(8, 11, 2.2)], union([disc(3, 3, 1.7), disc(8, 11, 2.2)], SHAPE)),
    "side by side": ([box(2, 2, 8, 6), box(2, 6, 8, 9)], exact_mask(box(2, 2, 8, 9), SHAPE)),
    "touching the border": (
        [box(-0.5, -0.5, 11.5, 14.5)],
        np.ones(SHAPE, dtype=bool),
    ),
    "on the border's pixel centres": ([box(0, 0, 11, 14)], exact_mask(box(0, 0, 11, 14), SHAPE)),
    "leaving the volume": ([disc(1, 13, 4.3)], exact_mask(disc(1, 13, 4.3), SHAPE)),
    "around the volume": ([box(-20, -20, 40, 40)], np.ones(SHAPE, dtype=bool)),
    "outside the volume": ([ROUND, OUTSIDE], exact_mask(ROUND, SHAPE)),
    "disc of radius 1.5 pixels": ([disc(5, 7, 1.5)], exact_mask(disc(5, 7, 1.5), SHAPE)),
    "smaller than a pixel": ([TINY], np.zeros(SHAPE, dtype=bool)),
    "crossing itself": (
        [box(2, 2, 9, 9)[:2] + box(2, 2, 9, 9)[:1:-1]],
        exact_mask([(2, 2), (2, 9), (9, 2), (9, 9)], SHAPE),
    ),
}

SAID = [(OUTSIDE, "it lies beside the image"), (TINY, "it encloses no voxel centre")]

OBLIQUE = ((0.36, 0.48, -0.8), (-0.8, 0.6, 0.0))
EVEN = (0.0, 2.5, 5.0, 7.5)
# direction along columns and along rows, heights of the slices, sideways drift a slice, height of the contour
# above its slice, all in mm
PLACES = {
    "supine": (((1, 0, 0), (0, 1, 0)), EVEN, 0.0, 0.0),
    "prone": (((-1, 0, 0), (0, -1, 0)), EVEN, 0.0, 0.0),
    "flipped": (((1, 0, 0), (0, -1, 0)), EVEN, 0.0, 0.0),
    "feet first": (((-1, 0, 0), (0, 1, 0)), EVEN, 0.0, 0.0),
    "sagittal": (((0, 1, 0), (0, 0, -1)), EVEN, 0.0, 0.0),
    "oblique": (OBLIQUE, EVEN, 0.0, 0.0),
    "tilted gantry": (((1, 0, 0), (0, 0.96, -0.28)), EVEN, 0.7, 0.0),
    "slices in reverse": (((1, 0, 0), (0, 1, 0)), EVEN[::-1], 0.0, 0.0),
    "irregular z": (OBLIQUE, (0.0, 2.5, 7.5, 8.75), 0.0, 0.0),
    "off-grid z above": (OBLIQUE, EVEN, 0.0, 1.2),
    "off-grid z below": (((1, 0, 0), (0, 1, 0)), EVEN, 0.0, -1.2),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_no_pixel_differs(
    shape: tuple[list[Points], np.ndarray],
    place: tuple[tuple[tuple[float, ...], ...], tuple[float, ...], float, float],
) -> None:
    (polygons, truth), (axes, heights, drift_mm, above_mm) = shape, place
    stack = _stack(axes, heights, drift_mm)
    for index in range(len(heights)):
        contours = [_in_space(stack, index, polygon, above_mm) for polygon in polygons]
        drawn = rasterize(contours, stack)
        expected = np.zeros((len(heights), *SHAPE), dtype=bool)
        expected[index] = truth
        assert np.count_nonzero(drawn.mask != expected) == 0
        told = [reason for contour, reason in SAID if any(contour is polygon for polygon in polygons)]
        assert [problem.split(": ")[1] for problem in drawn.problems] == told


def _stack(axes: tuple[tuple[float, ...], ...], heights: tuple[float, ...], drift_mm: float) -> SliceStack:
    along_columns, along_rows = np.array(axes, dtype=float)
    normal = np.cross(along_columns, along_rows)
    drift = np.outer(np.arange(len(heights)) * drift_mm, along_rows)
    positions = np.array([-91.3, 40.7, -512.5]) + np.outer(heights, normal) + drift
    row_mm, column_mm = SPACING_MM
    return SliceStack(positions, along_columns * column_mm, along_rows * row_mm, SHAPE)


def _in_space(stack: SliceStack, index: int, polygon: Points, above_mm: float) -> Contour:
    corners = np.array(polygon)
    in_plane = corners[:, :1] * stack.row_step_mm + corners[:, 1:] * stack.column_step_mm
    return Contour(stack.positions_mm[index] + in_plane + above_mm * stack.normal)


def test_shapes_are_what_they_are_called() -> None:
    """The exact answers themselves, on what can be said by hand."""
    pixels = {name: int(truth.sum()) for name, (_, truth) in SHAPES.items()}
    assert pixels["disc of radius 1.5 pixels"] == 9
    assert pixels["through pixel centres"] == 7 * 8 and pixels["side by side"] == 6 * 7
    assert pixels["keyhole along pixel centres"] == 9 * 12 - 3 * 4
    assert pixels["touching the border"] == 12 * 15 and pixels["on the border's pixel centres"] == 11 * 14
    assert 0 < pixels["leaving the volume"] < 0.6 * np.pi * 4.3**2
    assert pixels["plain"] > pixels["island in a hole"] > pixels["keyhole ring"] == pixels["two-contour ring"]
