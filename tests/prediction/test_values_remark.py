"""CT whose values cannot be HU gets a remark, and nothing else does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from nnunet_workspace import noisy_spheres

from nnunetv2_raemd.prediction.values_remark import about_values

CT = {"channel_names": {"0": "CT"}}
SCAN = noisy_spheres(0, (12, 40, 40))[0][None]  # lung of -800 HU round a ball of 0 HU


def test_hu_gets_no_remark() -> None:
    assert about_values(SCAN, CT) is None


PADDED = SCAN + 1024
PADDED[0, 0, 0, 0] = -2000  # outside of the field of view, some scanners write such


@pytest.mark.parametrize(
    "image", [SCAN + 1024, (SCAN + 1024) / 2048, PADDED], ids=["plus 1024", "0 to 1", "with padding"]
)
def test_other_values_do(image: np.ndarray) -> None:
    remark = about_values(image, CT)
    assert remark is not None and f"(from {image.min():g} to {image.max():g})" in remark


def test_one_voxel_in_a_thousand_is_enough() -> None:
    image = np.zeros((1, 1, 10, 100), np.float32)
    image[..., 0, 0] = -501
    assert about_values(image, CT) is None
    image[..., 0, 0] = -500
    assert about_values(image, CT) is not None


@pytest.mark.parametrize(
    "dataset_json",
    [
        {"channel_names": {"0": "PET"}},
        {"modality": {"0": "MRI"}},
        {"channel_names": {"0": "R", "1": "G", "2": "B"}},
        {},
    ],
)
def test_other_images_are_not_asked(dataset_json: dict[str, Any]) -> None:
    assert about_values(SCAN + 1024, dataset_json) is None


def test_the_channel_that_is_ct_is_asked() -> None:
    both = np.concatenate([SCAN, SCAN + 1024])
    assert about_values(both, {"channel_names": {"0": "CT", "1": "PET"}}) is None
    assert about_values(both, {"modality": {"0": "PET", "1": "ct"}}) is not None
