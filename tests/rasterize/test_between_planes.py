"""Shapes between planes, by cylinders and balls: where one ends, and how it goes on beyond its last plane."""

from __future__ import annotations

import numpy as np
import pytest

from nnunetv2_raemd.rasterize.between_planes import Spacing, shapes_at

SIDE, RADIUS = 41, 12.0
ON_PLANE_MM = 0.01


def disc(radius: float) -> np.ndarray:
    rows, columns = np.ogrid[:SIDE, :SIDE]
    return (rows - SIDE // 2) ** 2 + (columns - SIDE // 2) ** 2 <= radius**2


def cylinder_at(wanted_mm: float, heights_mm: list[float], planes_mm: float) -> np.ndarray:
    spacing = Spacing((1.0, 1.0), planes_mm, ON_PLANE_MM)
    masks = np.stack([disc(RADIUS)] * len(heights_mm))
    return shapes_at(np.array([wanted_mm]), np.array(heights_mm), masks, spacing)[0]


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * np.count_nonzero(one & other) / (one.sum() + other.sum()))


def test_nothing_is_drawn_in_a_gap_between_two_shapes() -> None:
    heights = [0.0, 3, 6, 15, 18, 21]
    assert not cylinder_at(10.5, heights, planes_mm=3).any()
    for within in (4.5, 16.5):
        assert np.array_equal(cylinder_at(within, heights, planes_mm=3), disc(RADIUS))


def test_planes_one_and_a_half_distances_apart_are_of_one_shape() -> None:
    heights = [0.0, 2, 5, 7]
    assert np.array_equal(cylinder_at(3.5, heights, planes_mm=2), disc(RADIUS))


@pytest.mark.parametrize(
    ("heights", "wanted"), [([0.0, 1, 4], 4.5), ([0.0, 3, 4], -0.5)], ids=["above", "below"]
)
def test_beyond_uneven_planes_a_cylinder_narrows_to_a_point_at_the_next(
    heights: list[float], wanted: float
) -> None:
    """F, the square of the radius, falls evenly to zero over the distance of the planes."""
    left = 1 - 0.5 / 2.1
    found = cylinder_at(wanted, heights, planes_mm=2.1)
    assert dice(found, disc(RADIUS * left**0.5)) > 0.97
