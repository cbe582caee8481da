"""Resampling of images and labels some slices at a time, against nnU-Net's of the whole."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape

from nnunetv2_raemd.prediction.lean_preprocessing import in_slices
from nnunetv2_raemd.prediction.resampling_in_slices import SLICES_AT_A_TIME

SPACING_MM, FINER_MM = (2.0, 1.0, 1.0), (2.0, 0.5, 0.8)


@pytest.mark.parametrize("is_labels", [False, True])
@pytest.mark.parametrize("n_slices", [1, SLICES_AT_A_TIME, 2 * SLICES_AT_A_TIME + 3])
def test_it_is_nnu_nets(n_slices: int, is_labels: bool) -> None:
    whole = partial(
        resample_data_or_seg_to_shape,
        is_seg=is_labels,
        order=1 if is_labels else 3,
        order_z=0,
        force_separate_z=None,
    )
    rng = np.random.default_rng(0)
    values = rng.integers(0, 3, (1, n_slices, 8, 8)).astype(np.int8)
    if not is_labels:
        values = rng.normal(0, 1, (2, n_slices, 8, 8)).astype(np.float32)
    shape = (n_slices, 16, 10)
    found = in_slices(whole)(values, shape, SPACING_MM, FINER_MM)
    expected = whole(values, shape, SPACING_MM, FINER_MM)
    assert found.shape == expected.shape and found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
