"""RAEMD-Net's trainers, for nnU-Net to find by name."""

from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD
from nnunetv2_raemd.training.variants import (
    nnUNetTrainer_quick,
    nnUNetTrainerRAEMD_5epochs,
    nnUNetTrainerRAEMD_20epochs,
    nnUNetTrainerRAEMD_50epochs,
    nnUNetTrainerRAEMD_250epochs,
    nnUNetTrainerRAEMD_quick,
    nnUNetTrainerRAEMDFocal,
)

__all__ = [
    "nnUNetTrainerRAEMD",
    "nnUNetTrainerRAEMDFocal",
    "nnUNetTrainerRAEMD_5epochs",
    "nnUNetTrainerRAEMD_20epochs",
    "nnUNetTrainerRAEMD_50epochs",
    "nnUNetTrainerRAEMD_250epochs",
    "nnUNetTrainerRAEMD_quick",
    "nnUNetTrainer_quick",
]
