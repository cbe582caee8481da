"""Resampling a few slices at a time, against nnU-Net's resampling of the whole."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape

from nnunetv2_raemd.prediction.resampling_in_slices import SLICES_AT_A_TIME, resampled_in_slices


def configuration(**settings: Any) -> Any:
    """With nnU-Net's default settings for probabilities, or others."""
    chosen = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None, **settings}
    return SimpleNamespace(
        configuration={
            "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
            "resampling_fn_probabilities_kwargs": chosen,
        },
        resampling_fn_probabilities=partial(resample_data_or_seg_to_shape, **chosen),
    )


@pytest.mark.parametrize(
    "settings", [{}, {"force_separate_z": True}, {"order_z": 1}, {"order": 0}, {"order": 3}]
)
@pytest.mark.parametrize(
    ("spacing_mm", "target_mm"),
    [
        ((2.0, 0.7, 0.8), (2.0, 0.5, 1.1)),  # as of a 2d configuration: slices stay
        ((1.0, 1.0, 1.0), (1.6, 0.8, 1.2)),  # all axes, linear
        ((5.0, 1.0, 1.0), (2.5, 0.8, 1.2)),  # anisotropic: the nearest slice
        ((1.0, 1.0, 1.0), (0.4, 1.0, 1.0)),  # slices only
        ((1.0, 5.0, 1.0), (1.2, 4.0, 1.2)),  # rows are the coarse axis
    ],
)
def test_the_result_is_nnu_nets(
    spacing_mm: tuple[float, ...], target_mm: tuple[float, ...], settings: dict[str, Any]
) -> None:
    logits = np.random.default_rng(0).normal(0, 4, (3, 11, 9, 12)).astype(np.float16)
    shape = [round(n * a / b) for n, a, b in zip(logits.shape[1:], spacing_mm, target_mm, strict=True)]
    chosen = configuration(**settings)
    expected = chosen.resampling_fn_probabilities(logits, shape, spacing_mm, target_mm)
    found = np.zeros_like(expected)
    for slices, values in resampled_in_slices(logits, shape, chosen, spacing_mm, target_mm):
        found[:, slices] = values
    assert found.dtype == expected.dtype == np.float16
    np.testing.assert_allclose(
        found.astype(float), expected.astype(float), rtol=0, atol=0.004
    )  # one ulp at 4
    assert np.mean(found != expected) < 0.01  # ties between two numbers of half precision


def test_few_slices_are_made_at_a_time() -> None:
    logits = np.zeros((2, 30, 8, 8), np.float16)
    blocks = resampled_in_slices(logits, (45, 10, 10), configuration(), (1.0, 1.0, 1.0), (0.7, 0.8, 0.8))
    assert max(values.shape[1] for _, values in blocks) == SLICES_AT_A_TIME
