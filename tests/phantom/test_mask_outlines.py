"""Outlines against an independent even-odd fill."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.path import Path as Polygon
from scipy import ndimage

from nnunetv2_raemd.phantom.mask_outlines import trace_outlines


def even_odd_fill(outlines: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centre an odd number of (row, column) polygons holds, by matplotlib."""
    centres = np.argwhere(np.ones(shape, dtype=bool))
    filled = np.zeros(len(centres), dtype=bool)
    for outline in outlines:
        filled ^= Polygon(np.vstack([outline, outline[:1]]), closed=True).contains_points(centres)
    return filled.reshape(shape)


def test_one_pixel_is_a_unit_square() -> None:
    mask = np.zeros((3, 4), dtype=bool)
    mask[1, 2] = True
    (outline,) = trace_outlines(mask)
    assert sorted(map(tuple, outline)) == [(0.5, 1.5), (0.5, 2.5), (1.5, 1.5), (1.5, 2.5)]


def test_rectangle_keeps_only_its_corners() -> None:
    mask = np.zeros((9, 9), dtype=bool)
    mask[2:7, 1:8] = True
    (outline,) = trace_outlines(mask)
    assert len(outline) == 4


def test_empty_mask_has_no_outline() -> None:
    assert trace_outlines(np.zeros((5, 5), dtype=bool)) == []


def test_ring_with_island_has_three_outlines() -> None:
    mask = np.zeros((11, 11), dtype=bool)
    mask[1:10, 1:10] = True
    mask[3:8, 3:8] = False
    mask[5, 5] = True
    assert len(trace_outlines(mask)) == 3
    assert np.array_equal(even_odd_fill(trace_outlines(mask), mask.shape), mask)


def test_pixels_that_touch_at_a_corner() -> None:
    mask = np.eye(4, dtype=bool) | np.eye(4, dtype=bool)[::-1]
    assert np.array_equal(even_odd_fill(trace_outlines(mask), mask.shape), mask)


def test_whole_image() -> None:
    mask = np.ones((4, 6), dtype=bool)
    assert np.array_equal(even_odd_fill(trace_outlines(mask), mask.shape), mask)


@pytest.mark.parametrize("seed", range(8))
def test_random_masks_come_back_without_a_differing_pixel(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=(37, 29))
    mask = ndimage.gaussian_filter(noise, seed / 4) > 0  # from salt and pepper to blobs
    assert np.array_equal(even_odd_fill(trace_outlines(mask), mask.shape), mask)
