"""Prediction around the lungs only, by a network that looks at a few pixels: there, both must agree."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_plans import plan, raemd_arguments
from tiny_models import source_model

from nnunetv2_raemd.api import LoadedModel

SPACING_MM = (8.0, 5.0, 5.0)
BOX = (slice(0, 12), slice(12, 50), slice(6, 54))
"""the lungs below and 20 mm around them, in voxels"""
REACH = 12  # pixels that a logit depends on, at the most


def chest() -> np.ndarray:
    """A body of water in air with two lungs, and a lesion in one of them, in HU."""
    hu = np.full((12, 60, 60), -1000.0, np.float32)
    hu[:, 5:55, 5:55] = 0
    hu[2:10, 16:46, 10:25] = hu[2:10, 16:46, 35:50] = -850
    hu[5:7, 28:33, 14:20] = 0
    return hu


def local_model(patch_size: tuple[int, ...]) -> LoadedModel:
    """Neither normalization nor attention, whose averages over a slice are others in a part of it."""
    torch.set_num_threads(1)
    local = raemd_arguments(attention=False, n_recurrent_stages=0, norm_op=None, norm_op_kwargs=None)
    content = plan(local, patch_size=patch_size)
    content["configurations"]["2d"]["spacing"] = list(SPACING_MM[1:])
    source = source_model(content, use_mirroring=False)
    source.predictor.hold_folds()
    return LoadedModel(source.predictor)


@pytest.mark.parametrize(
    ("patch_size", "remarks"),
    [((4, 32, 32), 0), ((4, 64, 64), 1)],
    ids=["tiles of the whole scan", "the one tile, cut to the box"],
)
def test_inside_the_box_all_is_as_in_the_whole_scan_and_outside_there_is_nothing(
    patch_size: tuple[int, ...], remarks: int
) -> None:
    model, hu = local_model(patch_size), chest()
    whole = model.predict_array(hu, SPACING_MM, probabilities=True)
    part = model.predict_array(hu, SPACING_MM, probabilities=True, lungs=True)
    # networks that normalize over slices may find other lesions in a part of them
    assert sum("patch is as large as a slice" in remark for remark in part.remarks) == remarks
    assert len(part.remarks) == remarks
    assert whole.probabilities is not None
    assert part.probabilities is not None
    outside = np.ones(hu.shape, bool)
    outside[BOX] = False
    assert not part.labels[outside].any()
    assert part.probabilities[0][outside].min() > 0.999
    rows, columns = (slice(side.start + REACH, side.stop - REACH) for side in BOX[1:])
    inside = (slice(None), BOX[0], rows, columns)
    np.testing.assert_allclose(part.probabilities[inside], whole.probabilities[inside], atol=2e-3)
    assert np.ptp(whole.probabilities[inside]) > 0.1
