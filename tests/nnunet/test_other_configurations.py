"""3d_fullres, 3d_lowres, the cascade, and a RAEMD plan with nnU-Net's own trainer."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from nnunet_models import SEQUENTIALLY
from nnunet_workspace import PREPROCESS, Workspace
from nnunetv2.experiment_planning.plan_and_preprocess_entrypoints import preprocess_entry
from nnunetv2.inference.predict_from_raw_data import predict_entry_point
from nnunetv2.run.run_training import run_training_entry

pytestmark = pytest.mark.slow

RAEMD = "nnUNetTrainerRAEMD_tiny"
STOCK = "nnUNetTrainer_tiny"
CASCADE = "nnUNetPlansCascade"


def train(
    workspace: Workspace, configuration: str, fold: object, *options: object, trainer: str = RAEMD
) -> None:
    workspace.run_here(
        run_training_entry, 501, configuration, fold, "-tr", trainer, "-device", "cpu", *options
    )


def patch_and_network(model: Path, configuration: str) -> tuple[list[int], str]:
    plan = json.loads((model / "plans.json").read_text(encoding="utf-8"))["configurations"][configuration]
    return plan["patch_size"], plan["architecture"]["network_class_name"].rpartition(".")[2]


def is_validated(fold: Path) -> bool:
    return "foreground_mean" in json.loads((fold / "validation" / "summary.json").read_text(encoding="utf-8"))


def test_3d_fullres(workspace: Workspace) -> None:
    train(workspace, "3d_fullres", 0)
    model = workspace.model(RAEMD, "3d_fullres")
    assert patch_and_network(model, "3d_fullres") == ([8, 40, 40], "RAEMDNet")
    assert is_validated(model / "fold_0")


@pytest.fixture(scope="module")
def cascade_plan(workspace: Workspace) -> Workspace:
    """A plan with 3d_lowres and 3d_cascade_fullres, which nnU-Net leaves out for images as small as these."""
    folder = workspace.preprocessed / "Dataset501_Spheres"
    plan = json.loads((folder / "nnUNetPlans.json").read_text(encoding="utf-8"))
    plan["plans_name"] = CASCADE
    fullres = plan["configurations"]["3d_fullres"]
    lowres = copy.deepcopy(fullres)
    lowres["spacing"] = [2 * spacing for spacing in fullres["spacing"]]
    lowres["median_image_size_in_voxels"] = [size // 2 for size in fullres["median_image_size_in_voxels"]]
    lowres["data_identifier"] = f"{CASCADE}_3d_lowres"
    lowres["next_stage"] = "3d_cascade_fullres"
    cascade = {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}
    plan["configurations"] |= {"3d_lowres": lowres, "3d_cascade_fullres": cascade}
    (folder / f"{CASCADE}.json").write_text(json.dumps(plan), encoding="utf-8")
    workspace.run_here(
        preprocess_entry, "-d", 501, "-plans_name", CASCADE, "-c", "3d_lowres", "-np", PREPROCESS[-1]
    )
    return workspace


def test_3d_lowres_and_the_cascade(cascade_plan: Workspace, tmp_path: Path) -> None:
    train(cascade_plan, "3d_lowres", "all", "-p", CASCADE)
    lowres = cascade_plan.model(RAEMD, "3d_lowres", CASCADE)
    assert patch_and_network(lowres, "3d_lowres")[1] == "RAEMDNet"
    assert len(list((lowres / "predicted_next_stage" / "3d_cascade_fullres").iterdir())) >= 6

    train(cascade_plan, "3d_cascade_fullres", 0, "-p", CASCADE)
    cascade = cascade_plan.model(RAEMD, "3d_cascade_fullres", CASCADE)
    assert patch_and_network(cascade, "3d_cascade_fullres") == ([8, 40, 40], "RAEMDNet")
    weights = torch.load(cascade / "fold_0" / "checkpoint_final.pth", weights_only=False)["network_weights"]
    assert first_convolution_channels(weights) == 2  # the image, and the previous stage's nodules
    assert is_validated(cascade / "fold_0")

    scans = cascade_plan.raw / "Dataset501_Spheres" / "imagesTr"
    previous = lowres / "fold_all" / "validation"
    options = ("-d", 501, "-p", CASCADE, "-c", "3d_cascade_fullres", "-tr", RAEMD, "-f", 0, "-device", "cpu")
    folders = ("-i", scans, "-o", tmp_path, "-prev_stage_predictions", previous)
    cascade_plan.run_here(predict_entry_point, *folders, *options, *SEQUENTIALLY)
    for scan in scans.iterdir():
        prediction = sitk.ReadImage(str(tmp_path / scan.name.replace("_0000", "")))
        assert prediction.GetSize() == sitk.ReadImage(str(scan)).GetSize()
        assert set(np.unique(sitk.GetArrayFromImage(prediction))) <= {0, 1}


def first_convolution_channels(weights: dict[str, torch.Tensor]) -> int:
    return next(weight.shape[1] for weight in weights.values() if weight.ndim == 4)


def test_a_raemd_plan_with_nnunets_own_trainer(workspace: Workspace) -> None:
    assert workspace.raemd("plan", "-d", 501).returncode == 0
    train(workspace, "2d", 0, "-p", "nnUNetRAEMDPlans", trainer=STOCK)
    model = workspace.model(STOCK, "2d", "nnUNetRAEMDPlans")
    assert patch_and_network(model, "2d") == ([8, 40, 40], "RAEMDNet")
    assert is_validated(model / "fold_0")
