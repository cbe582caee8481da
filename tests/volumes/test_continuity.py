"""Continuity across slices, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from segmentations import block

from nnunetv2_raemd.evaluation.lesion_matching import lesion_metrics, match_lesions
from nnunetv2_raemd.volumes.components import find_components
from nnunetv2_raemd.volumes.continuity import neighbouring_slice_dice, slice_continuity

CYLINDER = block(((1, 5, 5), (7, 10, 10)))  # six equal slices, five pairs


def without(*slices: int) -> np.ndarray:
    mask = CYLINDER.copy()
    mask[list(slices)] = False
    return mask


def test_equal_slices() -> None:
    assert neighbouring_slice_dice(CYLINDER) == 1


def test_a_cone() -> None:
    """Slices of 1, 2 and 4 voxels, each within the next: Dice 2/3 twice."""
    mask = block(((0, 0, 0), (1, 1, 1)), ((1, 0, 0), (2, 1, 2)), ((2, 0, 0), (3, 1, 4)))
    assert neighbouring_slice_dice(mask) == pytest.approx(2 / 3)
    assert slice_continuity(mask, CYLINDER) == pytest.approx(3 / 2)


@pytest.mark.parametrize(("missing", "expected"), [([3], 3 / 5), ([3, 4], 2 / 5), ([1], 1), ([1, 6], 1)])
def test_a_gap_lowers_it_and_a_shorter_end_does_not(missing: list[int], expected: float) -> None:
    assert slice_continuity(CYLINDER, without(*missing)) == pytest.approx(expected)


@pytest.mark.parametrize("mask", [block(), block(((2, 2, 2), (3, 5, 5)))])
def test_undefined_for_fewer_than_two_slices(mask: np.ndarray) -> None:
    assert math.isnan(neighbouring_slice_dice(mask))
    assert math.isnan(slice_continuity(mask, CYLINDER))
    assert math.isnan(slice_continuity(CYLINDER, mask))


def test_pieces_of_a_lesion_are_looked_at_together() -> None:
    lesions, false = match_lesions(find_components(CYLINDER), find_components(without(3)), voxel_mm3=1)
    assert lesions[0].pieces == 2
    assert lesion_metrics(lesions, false)["continuity"] == pytest.approx(3 / 5)


def test_other_lesions_in_the_same_slices_do_not_count() -> None:
    other = block(((3, 12, 12), (4, 16, 16)))
    lesions, _ = match_lesions(find_components(CYLINDER), find_components(CYLINDER | other), voxel_mm3=1)
    assert lesions[0].continuity == 1
