"""Filling and combining polygons, against exact arithmetic and cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from exact_polygons import exact_mask

from nnunetv2_raemd.rasterize.containment import contains
from nnunetv2_raemd.rasterize.polygons import combine_contours, fill_polygon, symmetric_difference

SHAPE = (12, 14)


def box(top: float, left: float, bottom: float, right: float) -> np.ndarray:
    return np.array([(top, left), (top, right), (bottom, right), (bottom, left)], dtype=float)


def pixels(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Mask of half-open pixel ranges (top, left, bottom, right)."""
    mask = np.zeros(SHAPE, dtype=bool)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("denominator", [1, 2, 8, 3])
def test_fill_equals_exact_arithmetic_on_any_polygon(seed: int, denominator: int) -> None:
    """Random self-crossing polygons with corners on and between pixel centres, partly outside the image."""
    rng = np.random.default_rng(seed)
    polygon = rng.integers(-3 * denominator, 15 * denominator, (rng.integers(3, 9), 2)) / denominator
    polygon = np.round(polygon * 2**20) / 2**20  # as the rasterizer hands them on
    assert np.array_equal(fill_polygon(polygon, SHAPE), exact_mask(polygon.tolist(), SHAPE))


@pytest.mark.parametrize("side", [-1, 1])
def test_edge_that_misses_a_pixel_centre_by_less_than_a_float_can_tell(side: int) -> None:
    """The edge goes from centre - (a, b) by (h, w), in steps of 2^-20 pixels, with a w - b h = 1."""
    h, w = 60 * 2**20 + 7, 50 * 2**20 + 3
    a = pow(w, -1, h)
    b = (a * w - 1) // h
    centre = np.array([70.0, 400.0])
    top = centre - np.array([a, side * b]) / 2**20
    bottom = top + np.array([h, side * w]) / 2**20
    inside = fill_polygon(np.array([top, bottom, (bottom[0], 0), (top[0], 0)]), (140, 430))
    assert inside[70, 399] and not inside[70, 401]
    assert inside[70, 400] == (side == 1)  # the edge passes to the right of the centre


def test_edges_through_pixel_centres_are_half_open() -> None:
    assert np.array_equal(fill_polygon(box(2, 3, 5, 7), SHAPE), pixels((2, 3, 5, 7)))


def test_polygons_that_share_an_edge_neither_overlap_nor_leave_a_gap() -> None:
    corners = np.array([(1.0, 1), (1, 10), (9, 12), (9, 2)])
    split = np.array([(1.0, 4), (9, 7)])  # through pixel centres
    left = np.array([corners[0], split[0], split[1], corners[3]])
    right = np.array([split[0], corners[1], corners[2], split[1]])
    count = fill_polygon(left, SHAPE).astype(int) + fill_polygon(right, SHAPE)
    assert np.array_equal(count, fill_polygon(corners, SHAPE))


def test_disc_of_radius_one_and_a_half_pixels_is_nine_pixels() -> None:
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    disc = np.stack([5 + 1.5 * np.sin(angle), 6 + 1.5 * np.cos(angle)], axis=1)
    assert np.array_equal(fill_polygon(disc, SHAPE), pixels((4, 5, 7, 8)))


def test_keyhole_is_a_ring() -> None:
    """Out to the hole and back along the same line, as systems without holes draw a ring."""
    outer, hole = box(0.5, 0.5, 9.5, 9.5), box(3.5, 3.5, 6.5, 6.5)[::-1]
    keyhole = np.concatenate([outer, outer[:1], hole, hole[:1]])
    expected = pixels((1, 1, 10, 10)) & ~pixels((4, 4, 7, 7))
    assert np.array_equal(fill_polygon(keyhole, SHAPE), expected)


def test_hole_and_island_in_the_hole_toggle() -> None:
    ring = [box(4.5, 4.5, 5.5, 5.5), box(0.5, 0.5, 9.5, 9.5), box(2.5, 2.5, 7.5, 7.5)]
    expected = (pixels((1, 1, 10, 10)) & ~pixels((3, 3, 8, 8))) | pixels((5, 5, 6, 6))
    assert np.array_equal(combine_contours(ring, SHAPE), expected)


def test_hole_that_touches_the_outline_is_a_hole() -> None:
    outer, hole = box(0.5, 0.5, 9.5, 9.5), box(0.5, 3.5, 4.5, 6.5)
    assert np.array_equal(
        combine_contours([outer, hole], SHAPE), pixels((1, 1, 10, 10)) & ~pixels((1, 4, 5, 7))
    )


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)], ids=["as drawn", "reversed"])
def test_repeated_contour_counts_once(order: slice) -> None:
    outline = box(1.5, 2.5, 8.5, 7.5)
    again = np.insert(np.roll(outline, 2, axis=0)[order], 1, outline.mean(axis=0) * 0 + [5, 0], axis=0)
    again[1] = (again[0] + again[2]) / 2  # one more point on the same line
    assert np.array_equal(combine_contours([outline, again], SHAPE), pixels((2, 3, 9, 8)))


def test_overlapping_pair_is_united() -> None:
    pair = [box(0.5, 0.5, 5.5, 5.5), box(3.5, 3.5, 8.5, 9.5)]
    assert np.array_equal(combine_contours(pair, SHAPE), pixels((1, 1, 6, 6), (4, 4, 9, 10)))


def test_overlap_whose_overhang_covers_no_pixel_is_united_and_not_a_hole() -> None:
    """By pixels alone the small one lies within the large one; by outlines it does not."""
    pair = [box(0.5, 0.5, 8.5, 8.5), box(2.5, 5.5, 5.5, 8.9)]
    assert np.array_equal(combine_contours(pair, SHAPE), pixels((1, 1, 9, 9)))


def test_pure_exclusive_or_cancels_what_is_drawn_twice() -> None:
    outline, other = box(0.5, 0.5, 5.5, 5.5), box(3.5, 3.5, 8.5, 9.5)
    assert np.array_equal(symmetric_difference([outline, other, outline], SHAPE), pixels((4, 4, 9, 10)))


def test_contour_outside_the_image_leaves_it_empty() -> None:
    assert not fill_polygon(box(20, 20, 30, 30), SHAPE).any()
    assert not fill_polygon(box(-9, -9, -2, -2), SHAPE).any()


def test_chord_across_a_bay_is_not_contained() -> None:
    """All corners of the inner one are on the outer outline, its edge runs outside."""
    bay = np.array([(0.0, 0), (0, 8), (8, 8), (8, 6), (2, 4), (8, 2), (8, 0)])
    assert not contains(bay, np.array([(8.0, 2), (8, 6), (0, 4)]))
    assert contains(bay, np.array([(0.0, 0), (0, 8), (2, 4)]))
