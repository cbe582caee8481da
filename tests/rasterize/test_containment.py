"""Which contour lies within which: time and memory for outlines of very many points."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest

from nnunetv2_raemd.rasterize.containment import contains
from nnunetv2_raemd.rasterize.polygons import combine_contours, fill_polygon

SHAPE = (512, 512)
POINTS = 100_000


def disc(radius: float, points: int = POINTS) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.round((256 + radius * np.stack([np.sin(angle), np.cos(angle)], axis=1)) * 2**20) / 2**20


def square(half: float, points: int = POINTS) -> np.ndarray:
    side, edge = np.linspace(-half, half, points // 4, endpoint=False), np.full(points // 4, half)
    sides = [(side, -edge), (edge, side), (-side, edge), (-edge, -side)]
    return 256 + np.concatenate([np.stack(pair, axis=1) for pair in sides])


def teeth(half: float, points: int = POINTS) -> np.ndarray:
    """From top to bottom and back in every column many times over."""
    return 256 + np.stack(
        [np.where(np.arange(points) % 2, half, -half), np.linspace(-half, half, points)], axis=1
    )


PAIRS = {
    "discs": (disc(200), disc(100), True),
    "repeated": (disc(200), np.roll(disc(200), 7, axis=0), True),
    "squares": (square(200), square(100), True),
    "a side in common": (square(200), square(100) - [100, 0], True),
    "crossing": (disc(200), disc(150) + np.array([100, 0]), False),
    "apart": (square(200), disc(50) + np.array([0, 190]), False),
}


@pytest.mark.parametrize(("outer", "inner", "within"), PAIRS.values(), ids=PAIRS)
def test_a_hundred_thousand_points(outer: np.ndarray, inner: np.ndarray, within: bool) -> None:
    tracemalloc.start()
    begin = time.process_time()
    try:
        assert contains(outer, inner) is within
        seconds, (_, most) = time.process_time() - begin, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seconds < 2 and most < 200e6


def test_outlines_that_meet_everywhere_are_told_apart_by_their_pixels() -> None:
    outer, inner = teeth(200, 20_000), teeth(100, 20_000)
    filled, hole = fill_polygon(outer, SHAPE), fill_polygon(inner, SHAPE)
    expected = filled ^ hole if not (hole & ~filled).any() else filled | hole
    assert np.array_equal(combine_contours([outer, inner], SHAPE), expected)


def test_many_contours_in_one_slice() -> None:
    """Islands, each passed over by its box."""
    small = [disc(1.5, 12) - 256 + [row, column] for row in range(5, 505, 8) for column in range(5, 505, 8)]
    begin = time.process_time()
    mask = combine_contours(small, SHAPE)
    assert mask.sum() == 9 * len(small) and time.process_time() - begin < 5


U_SHAPE = np.array([(0.0, 0), (0, 10), (9, 10), (9, 8), (2, 8), (2, 6), (9, 6), (9, 0)])


@pytest.mark.parametrize(
    ("inner", "within"),
    [
        ([(8.0, 1), (8, 9.5), (7.5, 1)], False),  # across the bay, whose middle is not the chord's
        ([(8.0, 1), (8, 4), (7.5, 1)], True),
        ([(1.0, 1), (1, 9.5), (0.5, 1)], True),
    ],
)
def test_chord_across_a_bay_that_is_not_in_its_middle(inner: list[tuple[float, float]], within: bool) -> None:
    """All corners and all middles of edges are inside: only that edges cross tells."""
    chord = np.array(inner)
    assert contains(U_SHAPE, chord) is within
    if not within:
        middles = (chord + np.roll(chord, -1, axis=0)) / 2
        assert all(
            contains(U_SHAPE, point + np.array([(0, 0), (0, 1e-3), (1e-3, 0)]))
            for point in [*chord, *middles]
        )
