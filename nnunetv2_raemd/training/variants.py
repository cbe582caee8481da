"""Variants of the RAEMD trainer, each named as nnU-Net names its own."""

from __future__ import annotations

from dataclasses import replace

from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD

DEFAULT = nnUNetTrainerRAEMD.recipe


class nnUNetTrainerRAEMDFocal(nnUNetTrainerRAEMD):
    """Dice and focal loss, as in the paper's abstract, with the focal loss's usual focusing parameter 2."""

    recipe = replace(DEFAULT, focusing=2.0)


class nnUNetTrainerRAEMD_5epochs(nnUNetTrainerRAEMD):
    """5 epochs."""

    recipe = replace(DEFAULT, num_epochs=5)


class nnUNetTrainerRAEMD_20epochs(nnUNetTrainerRAEMD):
    """20 epochs."""

    recipe = replace(DEFAULT, num_epochs=20)


class nnUNetTrainerRAEMD_50epochs(nnUNetTrainerRAEMD):
    """50 epochs."""

    recipe = replace(DEFAULT, num_epochs=50)


class nnUNetTrainerRAEMD_250epochs(nnUNetTrainerRAEMD):
    """250 epochs."""

    recipe = replace(DEFAULT, num_epochs=250)
