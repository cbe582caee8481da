"""Variants of the trainers, each named as nnU-Net names its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import torch
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_raemd.training.recipe import PAPER, Recipe
from nnunetv2_raemd.training.scanner_augmentation import with_scanners
from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD

DEFAULT = nnUNetTrainerRAEMD.recipe


class nnUNetTrainerRAEMDPaper(nnUNetTrainerRAEMD):
    """The paper to the letter: dense blocks, Adam, the learning rate lowered on a plateau, early stopping."""

    recipe = PAPER
    preset = "dense"


class nnUNetTrainerRAEMDDense(nnUNetTrainerRAEMD):
    """The paper's dense blocks and attention: half the arithmetic of plain convolutions, lower Dice."""

    preset = "dense"


class nnUNetTrainerRAEMDFocal(nnUNetTrainerRAEMD):
    """Dice and focal loss, as in the paper's abstract, with the focal loss's usual focusing parameter 2."""

    recipe = replace(DEFAULT, focusing=2.0)


class nnUNetTrainerRAEMDScanners(nnUNetTrainerRAEMD):
    """Also augmented by what differs between scanners: kernel, noise of low dose, slice thickness, HU."""

    @staticmethod
    def get_training_transforms(*args: Any, **kwargs: Any) -> ComposeTransforms:
        """The default's augmentation and that for scanners."""
        return with_scanners(nnUNetTrainerRAEMD.get_training_transforms(*args, **kwargs))


class nnUNetTrainerRAEMDTurned(nnUNetTrainerRAEMD):
    """Sequences also turned out of the slices' plane, and mirrored across slices, where voxels allow it."""

    recipe = replace(DEFAULT, turned=True)


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


class nnUNetTrainerRAEMD_quick(nnUNetTrainerRAEMD):
    """400 iterations, for demonstrations and for trying things out; too few for a result."""

    recipe = replace(DEFAULT, num_epochs=10, iterations_per_epoch=40, validation_iterations_per_epoch=5)


class nnUNetTrainer_quick(nnUNetTrainer):
    """nnU-Net's own recipe for as many iterations as `nnUNetTrainerRAEMD_quick`, to compare with it.

    Of `recipe`, only the numbers of epochs and iterations are used.
    """

    recipe: ClassVar[Recipe] = nnUNetTrainerRAEMD_quick.recipe

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int,
        dataset_json: dict[str, Any],
        device: torch.device = torch.device("cuda"),  # noqa: B008 - nnU-Net compares the signatures
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = self.recipe.num_epochs
        self.num_iterations_per_epoch = self.recipe.iterations_per_epoch
        self.num_val_iterations_per_epoch = self.recipe.validation_iterations_per_epoch
        self.save_every = 1
