"""The systems that the studies compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from study_plan import PLANS


class System(NamedTuple):
    """A trainer, a configuration, and the part of the budget that it gets."""

    trainer: str
    configuration: str = "2d"
    part_of_budget: float = 1.0


SYSTEMS = {
    "nnU-Net 2d": System("nnUNetTrainer"),
    "nnU-Net 3d_fullres": System("nnUNetTrainer", "3d_fullres"),
    "U-Net 2D, our recipe": System("nnUNetTrainerUNet"),
    "U-Net 3D, our recipe": System("nnUNetTrainerUNet", "3d_fullres"),
    "RAEMD-Net": System("nnUNetTrainerRAEMD"),
    "RAEMD-Net, half the time": System("nnUNetTrainerRAEMD", part_of_budget=0.5),
    "RAEMD-Net, pretrained": System("nnUNetTrainerRAEMDPretrained"),
    "RAEMD-Net, turned": System("nnUNetTrainerRAEMDTurned"),
    "RAEMD-Net, scanners": System("nnUNetTrainerRAEMDScanners"),
    "RAEMD-Net, normalised over the sequence": System("nnUNetTrainerRAEMDSequenceNorm"),
    "RAEMD-Net, recipe of the paper": System("nnUNetTrainerRAEMDPaper"),
    "without multi-scale": System("nnUNetTrainerRAEMD_noMultiScale"),
    "with dense blocks": System("nnUNetTrainerRAEMDDense"),
    "with attention": System("nnUNetTrainerRAEMD_withAttention"),
    "without recurrence": System("nnUNetTrainerRAEMD_noLSTM"),
    "without Muon": System("nnUNetTrainerRAEMD_noMuon"),
    "Attention U-Net, our recipe": System("nnUNetTrainerAttentionUNet"),
    "UNet++, our recipe": System("nnUNetTrainerUNetPlusPlus"),
}


def models_of(systems: Sequence[str], seconds: int, seeds: Sequence[int]) -> dict[str, tuple[str, int]]:
    """The system and seed of each model of a study, as nnU-Net names the models."""
    return {model_name(name, seconds, seed): (name, seed) for seed in seeds for name in systems}


def model_name(name: str, seconds: int, seed: int) -> str:
    """A system's model as nnU-Net names its folder; its trainer is in `trainers/`."""
    system = SYSTEMS[name]
    budget = round(seconds * system.part_of_budget)
    return f"{system.trainer}_{budget}s_seed{seed}__{PLANS}__{system.configuration}"
