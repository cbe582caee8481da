"""Outlines of masks: drawn again, they give the very same pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.path import Path as Outline

from nnunetv2_raemd.rasterize.outlines import outline_mask
from nnunetv2_raemd.rasterize.polygons import combine_contours, symmetric_difference

MASKS = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def area(polygon: np.ndarray) -> float:
    """By the shoelace formula; a hole that is joined by a channel is taken off."""
    (row, column), (next_row, next_column) = polygon.T, np.roll(polygon, -1, axis=0).T
    return abs(float(np.sum(row * next_column - next_row * column))) / 2


def picture(text: str) -> np.ndarray:
    return np.array([[character == "#" for character in line] for line in text.split()])


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(MASKS)
def test_drawn_by_the_converter_the_pixels_are_the_same(mask: np.ndarray) -> None:
    polygons = outline_mask(mask)
    assert np.array_equal(combine_contours(polygons, mask.shape), mask)
    assert np.array_equal(symmetric_difference(polygons, mask.shape), mask)
    assert sum(map(area, polygons)) == pytest.approx(mask.sum())


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(MASKS)
def test_drawn_by_matplotlib_polygon_by_polygon_the_union_is_the_same(mask: np.ndarray) -> None:
    """A reader that knows of no holes and unites what it is given."""
    centres = np.argwhere(np.ones_like(mask))
    united = np.zeros(mask.size, bool)
    for polygon in outline_mask(mask):
        united |= Outline(polygon, closed=False).contains_points(centres)
    assert np.array_equal(united.reshape(mask.shape), mask)


def test_one_pixel_is_a_square() -> None:
    (square,) = outline_mask(picture("... .#. ..."))
    assert sorted(map(tuple, square)) == [(0.5, 0.5), (0.5, 1.5), (1.5, 0.5), (1.5, 1.5)]


def test_straight_borders_have_points_at_their_ends_only() -> None:
    (rectangle,) = outline_mask(np.ones((40, 70), bool))
    assert len(rectangle) == 4


def test_pixels_that_touch_at_a_corner_are_two_polygons() -> None:
    assert sorted(map(area, outline_mask(picture("#. .#")))) == [1, 1]


def test_a_ring_is_one_polygon_that_goes_round_its_hole() -> None:
    (ring,) = outline_mask(picture("##### #...# #.#.# #...# #####".replace(".#.", "...")))
    assert area(ring) == 16
    assert len(ring) == 4 + 4 + 2  # two squares, and where the channel begins twice


def test_an_island_in_a_hole_is_a_polygon_of_its_own() -> None:
    polygons = outline_mask(picture("##### #...# #.#.# #...# #####"))
    assert sorted(map(area, polygons)) == [1, 16]


def test_nothing_has_no_outline() -> None:
    assert outline_mask(np.zeros((3, 4), bool)) == []
    assert outline_mask(np.zeros((0, 0), bool)) == []
