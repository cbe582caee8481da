"""Trainers for the tests: a few iterations, and some that come to harm."""
# ruff: noqa: N801 - nnU-Net's trainers begin with a small letter

from __future__ import annotations

import io
import os
import random
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.training.logging.nnunet_logger import MetaLogger

from nnunetv2_raemd.training.ablation import nnUNetTrainerAblation1UNet
from nnunetv2_raemd.training.baselines import nnUNetTrainerAttentionUNet
from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD
from nnunetv2_raemd.training.variants import nnUNetTrainer_quick

# nnUNetv2_train takes all cores, which for tiny networks is slower
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
if "pytest" not in sys.modules:  # nnU-Net's command, whose training is to be the same in every run
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
# Drawing takes as long as an epoch; nnU-Net's export asks for the file
MetaLogger.plot_progress_png = lambda self, output_folder: Path(output_folder, "progress.png").touch()
TINY = replace(
    nnUNetTrainerRAEMD.recipe, num_epochs=2, iterations_per_epoch=2, validation_iterations_per_epoch=1
)


class nnUNetTrainerRAEMD_tiny(nnUNetTrainerRAEMD):
    recipe = TINY


class nnUNetTrainerAttentionUNet_tiny(nnUNetTrainerAttentionUNet):
    recipe = TINY


class nnUNetTrainerAblation1UNet_tiny(nnUNetTrainerAblation1UNet):
    recipe = TINY


class nnUNetTrainer_tiny(nnUNetTrainer_quick):
    """nnU-Net's own, as short."""

    recipe = TINY


class nnUNetTrainerRAEMD_untrained(nnUNetTrainerRAEMD):
    """No epoch at all: its final checkpoint holds the weights that training started from."""

    recipe = replace(TINY, num_epochs=0)


class nnUNetTrainerRAEMD_unvalidated(nnUNetTrainerRAEMD):
    """For scans of real size, whose validation takes minutes."""

    recipe = TINY

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Left out."""


class nnUNetTrainerRAEMD_mortal(nnUNetTrainerRAEMD_unvalidated):
    """Dies in its second epoch as by `kill -9`, where RAEMD_TEST_KILL says: `epoch` or `checkpoint`."""

    recipe = replace(TINY, num_epochs=3)

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        step: dict[str, Any] = super().train_step(batch)
        if self.current_epoch == 1 and os.environ.get("RAEMD_TEST_KILL") == "epoch":
            die()
        return step

    def save_checkpoint(self, filename: str) -> None:
        if self.current_epoch == 1 and os.environ.get("RAEMD_TEST_KILL") == "checkpoint":
            torch.save = die_while_saving  # type: ignore[assignment]
        super().save_checkpoint(filename)


def die_while_saving(content: Any, filename: str, write: Any = torch.save) -> None:
    whole = io.BytesIO()
    write(content, whole)
    Path(filename).write_bytes(whole.getvalue()[: whole.tell() // 2])
    die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
