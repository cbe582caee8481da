"""What of nnU-Net's folders can be exported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_plans import dataset_json, plan, raemd_arguments

from nnunetv2_raemd.deployment.nnunet_source import load_source
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction.trained_model import Model


def test_the_second_stage_of_a_cascade_is_refused_before_its_weights_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = plan(raemd_arguments())
    content["configurations"]["3d_cascade_fullres"] = {
        **content["configurations"]["2d"],
        "previous_stage": "3d_lowres",
    }
    folder = tmp_path / "nnUNetTrainer__nnUNetPlans__3d_cascade_fullres"
    (folder / "fold_0").mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "dataset.json").write_text(json.dumps(dataset_json()), encoding="utf-8")
    (folder / "fold_0" / "checkpoint_final.pth").write_bytes(b"not read")
    monkeypatch.setattr(Model, "folder", lambda _: folder)
    model = Model("601", "nnUNetTrainer", "nnUNetPlans", "3d_cascade_fullres", ("0",), "checkpoint_final.pth")
    with pytest.raises(UserError, match=r"second stage of a cascade.* takes the segmentations of 3d_lowres"):
        load_source(model)
