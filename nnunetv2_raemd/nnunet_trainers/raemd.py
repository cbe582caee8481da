"""RAEMD-Net's trainers and those of the networks to compare it with, for nnU-Net to find by name."""

from nnunetv2_raemd.training.ablation import (
    nnUNetTrainerAblation1UNet,
    nnUNetTrainerAblation2MultiScale,
    nnUNetTrainerAblation3Dense,
    nnUNetTrainerAblation4Attention,
    nnUNetTrainerAblation5LSTM,
    nnUNetTrainerRAEMD_noAveraging,
    nnUNetTrainerRAEMD_noHybridLoss,
    nnUNetTrainerRAEMD_noLSTM,
    nnUNetTrainerRAEMD_noLSTM_quick,
    nnUNetTrainerRAEMD_noMultiScale,
    nnUNetTrainerRAEMD_noSchedule,
    nnUNetTrainerRAEMD_withAttention,
)
from nnunetv2_raemd.training.baselines import (
    nnUNetTrainerAttentionUNet,
    nnUNetTrainerSegNet,
    nnUNetTrainerSwinUNETR,
    nnUNetTrainerUNet,
    nnUNetTrainerUNet_quick,
    nnUNetTrainerUNetPlusPlus,
)
from nnunetv2_raemd.training.sequence_trainer import nnUNetTrainerRAEMDSequences
from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD
from nnunetv2_raemd.training.variants import (
    nnUNetTrainer_quick,
    nnUNetTrainerRAEMD_5epochs,
    nnUNetTrainerRAEMD_20epochs,
    nnUNetTrainerRAEMD_50epochs,
    nnUNetTrainerRAEMD_250epochs,
    nnUNetTrainerRAEMD_quick,
    nnUNetTrainerRAEMDDense,
    nnUNetTrainerRAEMDFocal,
    nnUNetTrainerRAEMDPaper,
)

__all__ = [
    "nnUNetTrainerAblation1UNet",
    "nnUNetTrainerAblation2MultiScale",
    "nnUNetTrainerAblation3Dense",
    "nnUNetTrainerAblation4Attention",
    "nnUNetTrainerAblation5LSTM",
    "nnUNetTrainerAttentionUNet",
    "nnUNetTrainerRAEMD",
    "nnUNetTrainerRAEMDDense",
    "nnUNetTrainerRAEMDFocal",
    "nnUNetTrainerRAEMDPaper",
    "nnUNetTrainerRAEMDSequences",
    "nnUNetTrainerRAEMD_5epochs",
    "nnUNetTrainerRAEMD_20epochs",
    "nnUNetTrainerRAEMD_50epochs",
    "nnUNetTrainerRAEMD_250epochs",
    "nnUNetTrainerRAEMD_noAveraging",
    "nnUNetTrainerRAEMD_noHybridLoss",
    "nnUNetTrainerRAEMD_noLSTM",
    "nnUNetTrainerRAEMD_noLSTM_quick",
    "nnUNetTrainerRAEMD_noMultiScale",
    "nnUNetTrainerRAEMD_noSchedule",
    "nnUNetTrainerRAEMD_quick",
    "nnUNetTrainerRAEMD_withAttention",
    "nnUNetTrainerSegNet",
    "nnUNetTrainerSwinUNETR",
    "nnUNetTrainerUNet",
    "nnUNetTrainerUNetPlusPlus",
    "nnUNetTrainerUNet_quick",
    "nnUNetTrainer_quick",
]
