"""Figures of the report, for masks whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from nnunetv2_raemd.dataset_conversion.measurements import measure


def images(mask: np.ndarray, hu: np.ndarray) -> tuple[sitk.Image, sitk.Image]:
    image, label = sitk.GetImageFromArray(hu.astype(np.int16)), sitk.GetImageFromArray(mask.astype(np.uint8))
    for volume in (image, label):
        volume.SetSpacing((0.5, 1.0, 2.0))
    return image, label


def test_two_lesions() -> None:
    mask, hu = np.zeros((6, 8, 10)), np.arange(480).reshape(6, 8, 10)
    mask[1:3, 1:4, 2:6] = 1  # 24 voxels
    mask[3, 4, 6] = 1  # touches the first by a corner: the same lesion
    mask[5, 7, 9] = 1
    found = measure(*images(mask, hu))
    assert found["lesions"] == 2
    assert found["volume_ml"] == pytest.approx(0.026)  # 26 voxels of 1 mm3
    assert found["diameter_mm"] == pytest.approx((6 * 25 / np.pi) ** (1 / 3), abs=1e-3)
    assert found["lesion_volumes_ml"] == [0.025, 0.001]  # the largest first
    assert found["lesion_diameters_mm"] == [found["diameter_mm"], pytest.approx(1.2407, abs=1e-3)]
    assert (found["hu_min"], found["hu_max"]) == (hu[mask == 1].min(), hu[mask == 1].max())
    under = np.sort(hu[mask == 1])
    assert found["hu_mean"] == pytest.approx(under.mean(), abs=0.01)
    assert found["hu_std"] == pytest.approx(np.sqrt(((under - under.mean()) ** 2).mean()), abs=0.01)
    assert found["hu_median"] == (under[12] + under[13]) / 2
    # 26 values: a twentieth of the way lies a quarter of the way from the second to the third
    assert found["hu_p05"] == under[1] + 0.25 * (under[2] - under[1])
    assert found["hu_p95"] == under[23] + 0.75 * (under[24] - under[23])
    assert found["size_xyz"] == [10, 8, 6] and found["spacing_mm_xyz"] == [0.5, 1.0, 2.0]


def test_empty_mask_has_no_diameter_and_no_hu() -> None:
    found = measure(*images(np.zeros((3, 4, 5)), np.zeros((3, 4, 5))))
    assert (found["lesions"], found["volume_ml"]) == (0, 0.0)
    assert found["diameter_mm"] is found["hu_mean"] is None
