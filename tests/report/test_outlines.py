"""An outline, read back as the page reads it, holds exactly the voxels of its mask."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.path import Path as Polygon
from numpy.typing import NDArray

from nnunetv2_raemd.report.slice_pictures import outline


def filled(text: str, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Voxels whose centre lies within an odd number of the lines, by matplotlib."""
    inside = np.zeros(shape, bool)
    rows, columns = np.indices(shape)
    centres = np.column_stack([columns.ravel(), rows.ravel()])
    for line in text.split(";"):
        steps = np.array([int(n) for n in line.split()]).reshape(-1, 2)
        inside ^= Polygon(np.cumsum(steps, axis=0) / 2).contains_points(centres).reshape(shape)
    return inside


@pytest.mark.parametrize("seed", range(5))
def test_outlines_hold_their_voxels(seed: int) -> None:
    mask = np.random.default_rng(seed).random((9, 13)) < 0.5  # touches all borders, has holes and islands
    np.testing.assert_array_equal(filled(outline(mask), mask.shape), mask)


def test_a_single_voxel_is_a_diamond() -> None:
    mask = np.zeros((3, 3), bool)
    mask[1, 2] = True
    corners = np.cumsum(np.array([int(n) for n in outline(mask).split()]).reshape(-1, 2), axis=0)
    assert {tuple(corner) for corner in corners.tolist()} == {(3, 2), (5, 2), (4, 1), (4, 3)}


def test_straight_lines_take_one_step() -> None:
    assert len(outline(np.ones((2, 40), bool)).split()) <= 2 * 9


def test_an_empty_mask_has_none() -> None:
    assert outline(np.zeros((4, 4), bool)) == ""
