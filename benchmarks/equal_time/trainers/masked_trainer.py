"""Pretraining without labels: RAEMD-Net reconstructs what was hidden of a sequence of slices."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD

HIDDEN_SLICES = 0.3
HIDDEN_BLOCKS = 0.3
BLOCK = 8


class ReconstructionLoss(nn.Module):
    """Mean absolute difference over the hidden voxels, from the first channel of the output."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """From (B, classes, Z, Y, X) and image and hidden voxels in (B, 2, Z, Y, X)."""
        image, hidden = target[:, :1], target[:, 1:]
        return ((output[:, :1] - image).abs() * hidden).sum() / hidden.sum()


def hidden_voxels(shape: torch.Size) -> Tensor:
    """Ones in whole slices and in square blocks of the others, at random; (B, 1, Z, Y, X)."""
    b, _, z, y, x = shape
    hidden = torch.rand(b, 1, z, 1, 1) < HIDDEN_SLICES
    hidden[:, :, torch.randint(z, ())] = True  # never none
    coarse = torch.rand(b, 1, z, -(-y // BLOCK), -(-x // BLOCK)) < HIDDEN_BLOCKS
    blocks = coarse.repeat_interleave(BLOCK, 3).repeat_interleave(BLOCK, 4)[..., :y, :x]
    return (hidden | blocks).float()


class nnUNetTrainerRAEMDMasked(nnUNetTrainerRAEMD):
    """Trains on images alone. nnU-Net's Dice of it has no meaning, and its validation is left out."""

    def initialize(self) -> None:
        """Without what would look at the labels, and with one output."""
        self.oversample_foreground_percent = 0.0
        self.enable_deep_supervision = False
        super().initialize()

    def _build_loss(self) -> nn.Module:
        return ReconstructionLoss()

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """A step on what was hidden of the batch."""
        return super().train_step(_hide(batch))

    def validation_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The loss alone."""
        hidden = _hide(batch)
        loss = self.loss(self.network(hidden["data"].to(self.device)), hidden["target"].to(self.device))
        none = np.zeros(1)
        return {"loss": loss.cpu().numpy(), "tp_hard": none, "fp_hard": none + 1, "fn_hard": none}

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """There are no segmentations to measure."""


def _hide(batch: dict[str, Any]) -> dict[str, Any]:
    image: Tensor = batch["data"]
    hidden = hidden_voxels(image.shape)
    return {"data": image * (1 - hidden), "target": torch.cat([image, hidden], 1)}


class nnUNetTrainerRAEMDPretrained(nnUNetTrainerRAEMD):
    """The default under another name, for trainings that begin with `-pretrained_weights`."""
