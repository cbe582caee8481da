"""Plans of nnU-Net whose numbers cannot be are named before anything is made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_plans import plan, raemd_arguments

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.plans_file import read_plans

INTENSITIES = {"mean": -300.0, "std": 200, "percentile_00_5": -900.0, "percentile_99_5": 300.0}


def written(file: Path, changes: dict[str, Any]) -> Path:
    """A plan of CT; a change of "spacing" or "patch_size" is one of its configuration."""
    content: dict[str, Any] = json.loads(json.dumps(plan(raemd_arguments())))
    content["foreground_intensity_properties_per_channel"] = {"0": INTENSITIES}
    of_configuration = {key: changes[key] for key in changes if key in ("spacing", "patch_size")}
    content["configurations"]["2d"] |= of_configuration
    content |= {key: value for key, value in changes.items() if key not in of_configuration}
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def test_a_plan_is_read(tmp_path: Path) -> None:
    found = read_plans(written(tmp_path / "plans.json", {}), "")
    assert found["foreground_intensity_properties_per_channel"]["0"]["std"] == 200
    assert read_plans(written(tmp_path / "plans.json", {"spacing": [999.0, 1, 1]}), "")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"spacing": [1e300, 1e300]}, "spacing.0 is 1e+300"),
        ({"spacing": [1e-300, 1.0]}, "spacing.0 is 1e-300"),
        ({"patch_size": [4, 10**9, 10**9]}, "patch_size.1 is 1000000000"),
        ({"transpose_forward": [0, 0, 2]}, "does not name each of 0, 1 and 2 once"),
        ({"transpose_backward": [0, 1]}, "does not name each of 0, 1 and 2 once"),
        ({"foreground_intensity_properties_per_channel": {"0": INTENSITIES | {"mean": "a"}}}, "0.mean is "),
        ({"foreground_intensity_properties_per_channel": {"0": INTENSITIES | {"std": -1}}}, "0.std is -1"),
        ({"foreground_intensity_properties_per_channel": {"0": {"mean": 1.0}}}, "is missing"),
        (
            {"foreground_intensity_properties_per_channel": {"0": INTENSITIES | {"mean": float("nan")}}},
            "0.mean is NaN",
        ),
    ],
)
def test_numbers_that_cannot_be_are_named(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as raised:
        read_plans(written(tmp_path / "plans.json", changes), "Plan again")
    assert told in str(raised.value) and str(raised.value).startswith(f"{tmp_path / 'plans.json'}: ")
