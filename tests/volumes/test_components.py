"""Components and what is measured of them, against cc3d's own statistics."""

from __future__ import annotations

import cc3d
import numpy as np
import pytest

from nnunetv2_raemd.volumes.components import find_components


@pytest.mark.parametrize("share", [0.02, 0.2, 0.97])
def test_equals_the_statistics_of_cc3d(share: float) -> None:
    mask = np.random.default_rng(0).random((9, 30, 40)) < share
    mask[3] = False
    whole = np.pad(mask, ((0, 0), (2, 3), (5, 4)))
    found = find_components(whole[:, 2:-3, 5:-4], (10, 20, 30))
    expected = cc3d.statistics(cc3d.connected_components(mask, connectivity=26))
    assert found.sizes == tuple(expected["voxel_counts"][1:].tolist())
    assert found.centres == pytest.approx(expected["centroids"][1:] + np.array([10, 20, 30]))
    assert found.boxes == tuple(expected["bounding_boxes"][1:])


def test_nothing_has_no_components() -> None:
    found = find_components(np.zeros((2, 3, 4), bool))
    assert (len(found), found.sizes, found.boxes, found.centres.shape) == (0, (), (), (0, 3))
