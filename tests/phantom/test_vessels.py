"""The vessels: through-plane runs, clear of lesions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from nnunetv2_raemd.phantom.configuration import LUNA16
from nnunetv2_raemd.phantom.grid import Grid
from nnunetv2_raemd.phantom.lesion_shape import LesionShape, sample_shape
from nnunetv2_raemd.phantom.lung_map import LungMap, map_lung
from nnunetv2_raemd.phantom.lungs import sample_chest
from nnunetv2_raemd.phantom.tubes import Tube, tube_depth
from nnunetv2_raemd.phantom.vessels import grow_vessels

GRID = Grid(LUNA16.shape, LUNA16.spacing_mm)
SCALE = 0.53


@pytest.fixture(scope="module")
def lung() -> LungMap:
    return map_lung(sample_chest(np.random.default_rng(5), scale=SCALE), GRID, "right")


def _grow(lung: LungMap, lesions: Sequence[LesionShape] = (), seed: int = 0) -> list[Tube]:
    return grow_vessels(lung, LUNA16, lesions, scale=SCALE, rng=np.random.default_rng(seed))


def _trunks(tubes: Sequence[Tube]) -> list[Tube]:
    return [tube for tube in tubes if 2 * tube.radii_mm[0] >= LUNA16.trunk_diameter_mm[0]]


@pytest.mark.parametrize("seed", range(3))
def test_trunks_go_on_where_a_nodule_of_their_width_would_have_ended(lung: LungMap, seed: int) -> None:
    trunks = _trunks(_grow(lung, seed=seed))
    assert len(trunks) >= 4
    steep = []
    for trunk in trunks:
        assert np.ptp(trunk.points_mm[:, 0]) >= 2.49 * 2 * trunk.radii_mm.max()
        # once it has left the hilum: round sections, i.e. less than 45 degrees off the slices' normal
        steps = np.abs(np.diff(trunk.points_mm[8:], axis=0))
        steep.append(np.median(steps[:, 0] / np.hypot(steps[:, 1], steps[:, 2])) > 1)
    assert np.mean(steep) > 0.85


def test_all_vessels_keep_clear_of_lesions(lung: LungMap) -> None:
    places = lung.points_between(12.0, np.inf, end_margin_mm=15)
    lesion = sample_shape(np.random.default_rng(1), places[len(places) // 2], 8.0, irregularity=0.0)
    tubes = _grow(lung, [lesion])
    assert min(tube.clearance_mm(lesion.centre_mm) for tube in tubes) >= 8.0
    assert min(tube.clearance_mm(lesion.centre_mm) for tube in _grow(lung)) < 8.0  # they would not by chance


def test_straight_tube_has_the_depth_of_a_cylinder() -> None:
    tube = Tube(np.array([[-20.0, 0.0, 0.0], [20.0, 0.0, 0.0]]), np.array([5.0, 5.0]), 40.0)
    box = GRID.box((-10, -10, -10), (10, 10, 10))
    z, y, x = GRID.axes(box)
    expected = 5 - np.hypot(y, x) + 0 * z
    depth = tube_depth(tube, GRID, box)
    near = expected > -1
    assert np.allclose(depth[near], expected[near], atol=1e-4)
