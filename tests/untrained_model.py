"""A model's folder as nnU-Net's training leaves it, made in a second: the weights are random."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from small_plans import dataset_json, plan, raemd_arguments

from nnunetv2_raemd.architecture.raemd_net import RAEMDNet

ARGUMENTS = raemd_arguments(
    n_stages=3,
    features_per_stage=[4, 6, 8],
    kernel_sizes=[[1, 3, 3], [1, 3, 3], [1, 3, 3]],
    strides=[[1, 1, 1], [1, 2, 2], [1, 2, 2]],
    n_conv_per_stage=[1, 1, 1],
    n_conv_per_stage_decoder=[1, 1],
)
SPACING_MM = (2.5, 1.0, 1.0)  # z, y, x
NAME = "Dataset601_Untrained"


def plans() -> dict[str, Any]:
    """The plan of the model."""
    return plan(ARGUMENTS, patch_size=(4, 32, 32), mean_std_hu=(-400.0, 300.0)) | {"dataset_name": NAME}


def network() -> RAEMDNet:
    """The network of the plan, its weights from a fixed seed and large enough that both labels come out."""
    torch.manual_seed(0)
    return RAEMDNet(1, 2, **ARGUMENTS)


def checkpoint() -> dict[str, Any]:
    """What nnU-Net saves, without the state of the optimizer."""
    return {
        "network_weights": network().state_dict(),
        "trainer_name": "nnUNetTrainerRAEMD",
        "init_args": {"configuration": "2d", "fold": 0},
        "inference_allowed_mirroring_axes": (1, 2),
        "logging": {"train_losses": [0.5], "val_losses": [0.5]},
    }


def write_model(results: Path) -> Path:
    """Write the model below `results`, as nnUNet_results; returns its folder."""
    folder = results / NAME / "nnUNetTrainerRAEMD__nnUNetPlans__2d"
    (folder / "fold_0").mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(plans()), encoding="utf-8")
    (folder / "dataset.json").write_text(json.dumps(dataset_json()), encoding="utf-8")
    torch.save(checkpoint(), folder / "fold_0" / "checkpoint_final.pth")
    return folder
