"""Unevenly spaced slices onto an even grid, against linear functions and hand-made shapes."""

from __future__ import annotations

import numpy as np
import pytest

from nnunetv2_raemd.dicom.slice_resampling import even_grid, resample_hu, resample_mask


def test_missing_slices_are_filled_and_the_others_are_kept_exactly() -> None:
    heights = np.array([10.0, 13, 16, 25, 28])  # 19 and 22 are missing
    volume = np.random.default_rng(0).integers(-1000, 1000, (5, 4, 6)).astype(np.int16)
    grid = even_grid(heights)
    out = resample_hu(volume, grid)
    assert grid.spacing_mm == pytest.approx(3.0)
    assert np.array_equal(out[[0, 1, 2, 5, 6]], volume)
    expected = np.rint(volume[2] + (volume[3].astype(float) - volume[2]) / 3)
    assert np.array_equal(out[3], expected)


def test_a_linear_ramp_along_the_normal_stays_one() -> None:
    heights = np.array([0.0, 2.0, 4.5, 6.5, 9.0, 10.0])
    volume = np.broadcast_to((heights * 100).astype(np.int16)[:, None, None], (6, 3, 3))
    grid = even_grid(heights)
    out = resample_hu(volume, grid)
    assert grid.spacing_mm * (len(out) - 1) == pytest.approx(10.0)
    assert np.allclose(out[:, 1, 1], np.arange(len(out)) * grid.spacing_mm * 100, atol=1)


def test_extremes_of_int16_do_not_overflow() -> None:
    volume = np.array([0, -32768, 32767, -32768], dtype=np.int16)[:, None, None]
    out = resample_hu(volume, even_grid(np.array([0.0, 1, 2, 4])))
    assert out.ravel()[[0, 1, 2, 4]].tolist() == [0, -32768, 32767, -32768]
    assert out[3, 0, 0] in (-1, 0)


def test_mask_between_a_small_and_a_large_square_is_of_middle_size() -> None:
    mask = np.zeros((4, 21, 21), dtype=bool)
    mask[:3, 8:13, 8:13] = True
    mask[3, 4:17, 4:17] = True
    out = resample_mask(mask, even_grid(np.array([0.0, 2, 4, 8])))
    assert np.array_equal(out[[0, 1, 2, 4]], mask)
    rows = np.flatnonzero(out[3].any(axis=1))
    assert rows[0] == 6 and rows[-1] == 14


def test_mask_across_a_wide_gap_grows_evenly_towards_the_larger_one() -> None:
    mask = np.zeros((4, 31, 31), dtype=bool)
    mask[:3, 12:19, 12:19] = True
    mask[3, 6:25, 6:25] = True
    out = resample_mask(mask, even_grid(np.array([0.0, 3, 6, 15])))
    widths = [int(slice_.any(axis=0).sum()) for slice_ in out]
    assert widths == [7, 7, 7, 11, 15, 19]


@pytest.mark.parametrize(("heights", "filled"), [([0.0, 3, 9, 12], [1, 2]), ([0.0, 3, 12, 15], [1, 2])])
def test_mask_that_ends_at_a_gap_reaches_half_way(heights: list[float], filled: list[int]) -> None:
    """Nothing to interpolate to: the nearer slice decides, the lower one when midway."""
    mask = np.zeros((4, 5, 5), dtype=bool)
    mask[1, 1:4, 1:4] = True
    out = resample_mask(mask, even_grid(np.array(heights)))
    assert np.flatnonzero(out.any(axis=(1, 2))).tolist() == filled
