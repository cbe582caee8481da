"""The part of a scan that is predicted: where it lies in the preprocessed image, and what surrounds it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnunetv2_raemd.prediction.scan_part import BACKGROUND_LOGIT, cut_to, whole_logits


def properties() -> dict[str, Any]:
    """Of an image of 10 x 20 x 30 voxels, cut to 8 x 16 x 24 by nnU-Net."""
    return {
        "bbox_used_for_cropping": [[1, 9], [2, 18], [3, 27]],
        "shape_after_cropping_and_before_resampling": (8, 16, 24),
    }


def test_a_box_of_the_image_is_found_in_the_preprocessed_one() -> None:
    preprocessed = np.arange(8 * 32 * 12, dtype=np.float32).reshape(
        1, 8, 32, 12
    )  # rows doubled, columns halved
    kept = properties()
    part = cut_to(preprocessed, (slice(3, 6), slice(4, 10), slice(8, 14)), kept, [0, 1, 2])
    # slices 3 to 6 less 1; rows 2 to 8 doubled; columns 5 to 11 halved, and rounded outwards
    np.testing.assert_array_equal(part, preprocessed[:, 2:5, 4:16, 2:6])


def test_the_box_is_given_in_the_axes_of_the_image_as_read() -> None:
    preprocessed = np.random.default_rng(0).random((1, 8, 16, 24))
    box = (slice(5, 9), slice(5, 7), slice(4, 12))  # the plan's first axis is the second of the image
    part = cut_to(preprocessed, box, properties(), [1, 0, 2])
    np.testing.assert_array_equal(part, preprocessed[:, 4:6, 3:7, 1:9])


def test_a_box_beside_the_image_leaves_it_whole() -> None:
    preprocessed = np.zeros((1, 8, 16, 24), np.float32)
    kept = properties()
    assert cut_to(preprocessed, (slice(0, 1), slice(0, 20), slice(0, 30)), kept, [0, 1, 2]) is preprocessed
    assert whole_logits(preprocessed, kept, has_background=True) is preprocessed


@pytest.mark.parametrize("has_background", [True, False])
def test_outside_of_the_part_there_is_nothing_to_be_found(has_background: bool) -> None:
    kept = properties()
    image = np.zeros((1, 8, 16, 24), np.float32)
    part = cut_to(image, (slice(3, 6), slice(4, 10), slice(8, 14)), kept, [0, 1, 2])
    logits = np.full((2, *part.shape[1:]), 0.25, np.float16)
    whole = whole_logits(logits, kept, has_background=has_background)
    assert whole.shape == (2, 8, 16, 24)
    slices = np.stack([whole[:, k] for k in range(8)], axis=1)
    assert np.count_nonzero(slices[1] == 0.25) == part[0].size
    outside = slices[:, slices[1] != 0.25]
    assert set(outside[1].tolist()) == {-BACKGROUND_LOGIT}
    assert set(outside[0].tolist()) == {BACKGROUND_LOGIT if has_background else -BACKGROUND_LOGIT}
    np.testing.assert_array_equal(slices[:, 2:5, 2:8, 5:11], logits)
