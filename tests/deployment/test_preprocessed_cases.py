"""Preprocessed data beside a model: of its own plan, or of another that has the same name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from untrained_model import plans

from nnunetv2_raemd.deployment.preprocessed_cases import find_preprocessed
from nnunetv2_raemd.errors import UserError


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({}, None),
        ({"batch_size": 1}, None),
        ({"spacing": [2.0, 2.0]}, r"2d: spacing is \[2.0, 2.0\], and was \[1.0, 1.0\]"),
        ({"normalization_schemes": ["ZScoreNormalization"]}, "2d: normalization_schemes is"),
    ],
)
def test_data_of_another_plan_is_refused(tmp_path: Path, change: dict[str, Any], named: str | None) -> None:
    model = PlansManager(plans())
    configuration = model.get_configuration("2d")
    folder = tmp_path / model.dataset_name
    (folder / configuration.data_identifier).mkdir(parents=True)
    (folder / configuration.data_identifier / "case_0.b2nd").touch()
    beside = plans()
    beside["configurations"]["2d"] |= change
    (folder / f"{model.plans_name}.json").write_text(json.dumps(beside))
    if named is None:
        found = find_preprocessed(tmp_path, model, configuration, "0")
        assert found is not None and found.training == ("case_0",)
        return
    with pytest.raises(UserError, match=f"{model.plans_name}.json, by which.*another plan.*{named}"):
        find_preprocessed(tmp_path, model, configuration, "0")
