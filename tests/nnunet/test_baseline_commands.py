"""nnU-Net's commands with a network that its plan does not name, and with RAEMD-Net without its parts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from nnunet_models import SEQUENTIALLY
from nnunet_workspace import Workspace
from nnunetv2.inference.predict_from_raw_data import predict_entry_point
from nnunetv2.run.run_training import run_training_entry

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("trainer", "configuration", "patch_size"),
    [
        ("nnUNetTrainerAttentionUNet_tiny", "3d_fullres", None),
        ("nnUNetTrainerAblation1UNet_tiny", "2d", [8, 40, 40]),
    ],
)
def test_trains_continues_and_predicts(
    trainer: str,
    configuration: str,
    patch_size: list[int] | None,
    workspace: Workspace,
    new_scans: Path,
    tmp_path: Path,
) -> None:
    train = (501, configuration, 0, "-tr", trainer, "-device", "cpu")
    workspace.run_here(run_training_entry, *train)
    model = workspace.model(trainer, configuration)
    plans = [
        json.loads(file.read_text(encoding="utf-8"))["configurations"][configuration]["patch_size"]
        for file in (model / "plans.json", workspace.preprocessed / "Dataset501_Spheres" / "nnUNetPlans.json")
    ]
    assert plans[0] == (patch_size or plans[1])  # others than RAEMD-Net keep nnU-Net's

    fold = model / "fold_0"
    final = fold / "checkpoint_final.pth"
    final.rename(fold / "checkpoint_latest.pth")
    workspace.run_here(run_training_entry, *train, "--c")
    logging = torch.load(final, weights_only=False)["logging"]
    assert len(logging["mean_fg_iou"]) == len(logging["mean_fg_dice"]) == 2
    assert "foreground_mean" in json.loads((fold / "validation" / "summary.json").read_text(encoding="utf-8"))

    options = ("-d", 501, "-c", configuration, "-tr", trainer, "-f", 0, "-device", "cpu")
    folders = ("-i", new_scans, "-o", tmp_path, "--disable_progress_bar")
    workspace.run_here(predict_entry_point, *folders, *options, *SEQUENTIALLY)
    for scan in new_scans.glob("*.nii.gz"):
        prediction = sitk.ReadImage(str(tmp_path / scan.name.replace("_0000", "")))
        assert prediction.GetSize() == sitk.ReadImage(str(scan)).GetSize()
        assert set(np.unique(sitk.GetArrayFromImage(prediction))) <= {0, 1}
