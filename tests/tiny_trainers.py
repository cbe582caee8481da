"""Trainers as objects, without nnU-Net's command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from nnunetv2.paths import nnUNet_preprocessed
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_raemd.plans import raemd_plan
from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD

CPU = torch.device("cpu")
MakeTrainer = Callable[..., nnUNetTrainer]


def new_trainer(
    trainer: type[nnUNetTrainer] = nnUNetTrainerRAEMD,
    dataset: str = "Dataset501_Spheres",
    *,
    configuration: str = "2d",
    continue_training: bool = False,
    n_slices: int | None = None,
) -> nnUNetTrainer:
    """As nnUNetv2_train makes it; if wanted, with another number of slices."""
    folder = nnunet_folder() / dataset
    plan = nnunet_plan(dataset) | {"continue_training": continue_training}
    if n_slices is not None:
        plan = raemd_plan(plan)
        plan["configurations"]["2d"]["patch_size"][0] = n_slices
    return trainer(plan, configuration, 0, read_json(folder / "dataset.json"), CPU)


def nnunet_plan(dataset: str = "Dataset501_Spheres") -> dict[str, Any]:
    """nnU-Net's plan of the workspace."""
    return read_json(nnunet_folder() / dataset / "nnUNetPlans.json")


def nnunet_folder() -> Path:
    return Path(str(nnUNet_preprocessed))


def read_json(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))
