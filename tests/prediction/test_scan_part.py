"""The part of a scan that is predicted: where it lies in the preprocessed image, and what surrounds it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnunetv2_raemd.prediction.scan_part import BACKGROUND_LOGIT, note_part, part_of, whole_logits


def properties() -> dict[str, Any]:
    """Of an image of 10 x 20 x 30 voxels, cut to 8 x 16 x 24 by nnU-Net."""
    return {
        "bbox_used_for_cropping": [[1, 9], [2, 18], [3, 27]],
        "shape_after_cropping_and_before_resampling": (8, 16, 24),
    }


def test_a_box_of_the_image_is_found_in_the_preprocessed_one() -> None:
    kept = properties()
    # rows doubled, columns halved
    note_part((8, 32, 12), (slice(3, 6), slice(4, 10), slice(8, 14)), kept, [0, 1, 2])
    # slices 3 to 6 less 1; rows 2 to 8 doubled; columns 5 to 11 halved, and rounded outwards
    assert part_of(kept) == (slice(2, 5), slice(4, 16), slice(2, 6))


def test_the_box_is_given_in_the_axes_of_the_image_as_read() -> None:
    box = (slice(5, 9), slice(5, 7), slice(4, 12))  # the plan's first axis is the second of the image
    kept = properties()
    note_part((8, 16, 24), box, kept, [1, 0, 2])
    assert part_of(kept) == (slice(4, 6), slice(3, 7), slice(1, 9))


def test_a_box_beside_the_image_leaves_it_whole() -> None:
    kept = properties()
    note_part((8, 16, 24), (slice(0, 1), slice(0, 20), slice(0, 30)), kept, [0, 1, 2])
    assert part_of(kept) is None
    logits = np.zeros((2, 8, 16, 24), np.float16)
    assert whole_logits(logits, kept, has_background=True) is logits


@pytest.mark.parametrize("has_background", [True, False])
def test_outside_of_the_part_there_is_nothing_to_be_found(has_background: bool) -> None:
    kept = properties()
    note_part((8, 16, 24), (slice(3, 6), slice(4, 10), slice(8, 14)), kept, [0, 1, 2])
    logits = np.full((2, 3, 6, 6), 0.25, np.float16)
    whole = whole_logits(logits, kept, has_background=has_background)
    assert whole.shape == (2, 8, 16, 24)
    slices = np.stack([whole[:, k] for k in range(8)], axis=1)
    assert np.count_nonzero(slices[1] == 0.25) == 3 * 6 * 6
    outside = slices[:, slices[1] != 0.25]
    assert set(outside[1].tolist()) == {-BACKGROUND_LOGIT}
    assert set(outside[0].tolist()) == {BACKGROUND_LOGIT if has_background else -BACKGROUND_LOGIT}
    np.testing.assert_array_equal(slices[:, 2:5, 2:8, 5:11], logits)
