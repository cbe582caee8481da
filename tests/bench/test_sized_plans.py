"""The benchmark's plans against those of nnU-Net's planners."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from planned_datasets import Scans, run_planner

from nnunetv2_raemd.bench.sized_plans import PATCHES_OF_SCAN, SCAN_SHAPE, SPACING_MM, nnunet_plan
from nnunetv2_raemd.bench.sizes import Sizes
from nnunetv2_raemd.errors import UserError

NNUNET_FEATURES = 32


@pytest.mark.parametrize(("planner", "network"), [("default", "PlainConvUNet"), ("M", "ResidualEncoderUNet")])
def test_it_is_what_nnunets_planner_makes_for_the_scan(planner: str, network: str, tmp_path: Path) -> None:
    theirs = run_planner(planner, Scans(SCAN_SHAPE, SPACING_MM, number=40), tmp_path)
    sizes = Sizes(PATCHES_OF_SCAN[2][0], features=NNUNET_FEATURES, patch_3d=PATCHES_OF_SCAN[3])
    ours = nnunet_plan(network, sizes)
    for name in ("2d", "3d_fullres"):
        expected = theirs["configurations"][name]
        for key in ("patch_size", "spacing", "batch_dice", "architecture"):
            assert ours["configurations"][name][key] == expected[key], (name, key)
    assert ours["configurations"]["3d_fullres"]["batch_size"] == 2


def test_all_see_the_same_voxels() -> None:
    plan = nnunet_plan("PlainConvUNet", Sizes(64, slices=12, sequence=6))["configurations"]
    assert (plan["2d"]["batch_size"], plan["2d"]["patch_size"]) == (12, [64, 64])
    assert (plan["3d_fullres"]["batch_size"], plan["3d_fullres"]["patch_size"]) == (2, [6, 64, 64])


@pytest.mark.parametrize(
    ("sizes", "complaint"),
    [
        ({"size": 0}, "--size must be at least 8, got 0"),
        ({"features": 2}, "--features must be at least 8, got 2"),
        ({"slices": 12, "sequence": 8}, "--slices 12 do not make whole sequences"),
        ({"slices": 9, "sequence": 3}, "--slices 9 do not make 2 patches"),
        ({"size": 100}, "nnU-Net would make patches of 112 x 112 from 100 x 100"),
    ],
)
def test_sizes_that_do_not_fit(sizes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        nnunet_plan("PlainConvUNet", Sizes(**sizes))
