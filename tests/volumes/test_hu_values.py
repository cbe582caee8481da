"""Voxels that cannot be HU."""

from __future__ import annotations

import numpy as np
import pytest

from nnunetv2_raemd.volumes.hu_values import unlike_hu

LUNG = np.random.default_rng(0).normal(-800, 60, (8, 20, 20)).astype(np.int16)


def test_hu_with_padding_and_metal_are_hu() -> None:
    scan = LUNG.copy()
    scan[:, :2], scan[:, 10, 10] = -3024, 30000
    assert unlike_hu(scan) is None


@pytest.mark.parametrize(
    "voxels",
    [LUNG + 1024, LUNG.byteswap(), LUNG.view(np.uint16), LUNG / 1000],
    ids=["plus 1024", "bytes the other way round", "unsigned", "scaled"],
)
def test_other_values_are_not(voxels: np.ndarray) -> None:
    told = unlike_hu(voxels)
    assert told is not None and f"(from {voxels.min():g} to {voxels.max():g})" in told
