"""Each step of post-processing on masks whose outcome can be told by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnunetv2_raemd.postprocessing.postprocessing_steps import Postprocessing, ball, postprocess

SPACING_MM = (2.0, 1.0, 1.0)


def processed(mask: np.ndarray, probability: np.ndarray | None = None, **settings: Any) -> np.ndarray:
    return postprocess(mask, probability, spacing_mm=SPACING_MM, settings=Postprocessing(**settings))


def cube(shape: tuple[int, int, int], *corners: tuple[int, int]) -> np.ndarray:
    """True from corner to corner along each axis."""
    mask = np.zeros(shape, bool)
    mask[tuple(slice(*side) for side in corners)] = True
    return mask


@pytest.mark.parametrize(
    ("radius_mm", "voxels"),
    [
        (0.9, 1),  # the voxel alone
        (1.0, 5),  # and its four neighbours in the slice
        (2.0, 13 + 2),  # the disc of radius 2, and the voxels above and below
    ],
)
def test_the_ball_counts_millimetres_not_voxels(radius_mm: float, voxels: int) -> None:
    assert np.count_nonzero(ball(radius_mm, SPACING_MM)) == voxels


def test_by_default_nothing_is_done() -> None:
    mask = np.random.default_rng(0).random((5, 20, 20)) > 0.7
    np.testing.assert_array_equal(processed(mask), mask)


def test_a_threshold_takes_the_place_of_the_predicted_mask() -> None:
    probability = np.array([[[0.1, 0.3, 0.31, 0.9]]])
    mask = processed(probability > 0.5, probability, threshold=0.3)
    np.testing.assert_array_equal(mask, [[[False, False, True, True]]])


def test_opening_cuts_off_what_is_thinner_than_the_ball() -> None:
    lesion = cube((5, 20, 20), (1, 4), (5, 12), (5, 12))
    vessel = cube((5, 20, 20), (2, 3), (8, 9), (12, 20))  # one voxel thick
    opened = processed(lesion | vessel, opening_mm=1.0)
    assert not opened[:, :, 13:].any()
    # the disc of five voxels leaves all of a square but its corners
    assert np.count_nonzero(opened[2, 5:12, 5:12]) == 49 - 4


def test_opening_keeps_what_the_border_of_the_scan_cuts() -> None:
    lesion = cube((1, 20, 20), (0, 1), (5, 12), (0, 8))  # one slice; the ball reaches one slice up and down
    opened = processed(lesion, opening_mm=2.0)
    assert opened[0, 8].tolist() == lesion[0, 8].tolist()
    assert opened.any(axis=(0, 2)).tolist() == lesion.any(axis=(0, 2)).tolist()


def test_closing_fills_a_narrow_gap_and_keeps_what_touches_the_border() -> None:
    halves = cube((3, 9, 11), (0, 3), (0, 9), (0, 5)) | cube((3, 9, 11), (0, 3), (0, 9), (6, 11))
    assert processed(halves, closing_mm=1.0).all()


def test_holes_are_filled_slice_by_slice() -> None:
    tube = cube((4, 9, 9), (0, 4), (2, 7), (2, 7)) & ~cube((4, 9, 9), (0, 4), (4, 5), (4, 5))
    tube[0, 2, 4] = tube[0, 3, 4] = False  # in the first slice the hole has a way out
    filled = processed(tube, fill_holes=True)
    assert not filled[0, 4, 4]
    assert filled[1:, 4, 4].all()


def test_components_below_a_volume_are_removed() -> None:
    small, large = cube((3, 9, 9), (0, 1), (0, 1), (0, 4)), cube((3, 9, 9), (0, 1), (5, 6), (0, 5))
    # 4 and 5 voxels of 2 mm3
    np.testing.assert_array_equal(processed(small | large, min_volume_mm3=10), large)
    np.testing.assert_array_equal(processed(small | large, min_volume_mm3=8), small | large)


def test_components_that_nowhere_are_probable_are_removed() -> None:
    sure, unsure = cube((1, 5, 9), (0, 1), (0, 5), (0, 2)), cube((1, 5, 9), (0, 1), (0, 5), (5, 7))
    probability = 0.6 * (sure | unsure)
    probability[0, 3, 1] = 0.9
    np.testing.assert_array_equal(processed(sure | unsure, probability, min_probability=0.8), sure)


def test_an_empty_mask_stays_empty() -> None:
    empty = np.zeros((3, 5, 5), bool)
    settings = {"opening_mm": 1, "closing_mm": 2, "fill_holes": True, "min_volume_mm3": 5}
    assert not processed(empty, np.zeros(empty.shape), **settings, min_probability=0.5).any()
