"""The slice distance of the training, by a plan from anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction.scan_run import _slice_distance_mm


@pytest.mark.parametrize(
    ("plan", "distance_mm"),
    [
        ({"original_median_spacing_after_transp": [2.5, 0.7, 0.8], "transpose_backward": [0, 1, 2]}, 2.5),
        ({"original_median_spacing_after_transp": [0.7, 2.5, 0.8], "transpose_backward": [1, 0, 2]}, 2.5),
        ({}, 1.0),
        ({"original_median_spacing_after_transp": [], "transpose_backward": [0]}, 1.0),
    ],
)
def test_what_a_plan_says(tmp_path: Path, plan: dict[str, Any], distance_mm: float) -> None:
    (tmp_path / "plans.json").write_text(json.dumps(plan), encoding="utf-8")
    assert _slice_distance_mm(tmp_path / "plans.json") == distance_mm


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": ' + "1" * 5000 + "}", "[]", ""])
def test_what_is_no_plan_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "plans.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"plans\.json"):
        _slice_distance_mm(tmp_path / "plans.json")
