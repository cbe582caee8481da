"""The systems of the study: what each of them trains, and on which batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from group_normalization import normalize_by_groups
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nodule_dataset import NoduleDataset
from second_recurrence import DecoderRecurrence, TwoScales
from shared_batches import BLOCKS, KINDS, SEQUENCES, SLICES
from torch import nn

from nnunetv2_raemd.nnunet_trainers.raemd import (
    nnUNetTrainerRAEMD,
    nnUNetTrainerRAEMD_noLSTM,
    nnUNetTrainerRAEMD_noMultiScale,
    nnUNetTrainerRAEMD_withAttention,
    nnUNetTrainerUNet,
)
from nnunetv2_raemd.training.ablation import nnUNetTrainerRAEMDOtherParts
from nnunetv2_raemd.training.recipe_trainer import nnUNetTrainerRecipe

PART_WITH_SLICES = 0.6


class FullResolutionRecurrence(nnUNetTrainerRAEMDOtherParts):
    """The recurrence after the first stage, with as many hidden channels in each direction as it has."""

    changed_arguments: ClassVar[dict[str, Any]] = {"n_recurrent_stages": 4, "hidden_divisor": 1}


def in_turn(iteration: int, done: float) -> int:
    """Every other step another kind of batch; of one kind, always that."""
    return iteration % 2


def later(iteration: int, done: float) -> int:
    """The second kind of batch after `PART_WITH_SLICES` of the training."""
    return int(done >= PART_WITH_SLICES)


class System(NamedTuple):
    """A trainer that gives network, loss and recipe, and the batches.

    `turn` says which of `kinds` is next, by the number of the iteration and the part of the training that has
    passed. The last kind also gives the configuration, and the windows of prediction. `change` makes another
    network of the trainer's. `boundary_term` adds that term to the loss of sequences, with a weight that
    grows from 0 to 1 with the training.
    """

    trainer: type[nnUNetTrainer]
    kinds: tuple[str, ...]
    turn: Callable[[int, float], int] = in_turn
    change: Callable[[Any], nn.Module] | None = None
    boundary_term: bool = False

    @property
    def has_our_recipe(self) -> bool:
        """Instead of nnU-Net's."""
        return issubclass(self.trainer, nnUNetTrainerRecipe)

    @property
    def takes_sequences(self) -> bool:
        """Whether its network has an axis for slices beside rows and columns, of any length."""
        return issubclass(self.trainer, nnUNetTrainerRAEMD)

    def kind_of(self, iteration: int, done: float) -> str:
        """The kind of batch that this iteration trains on."""
        return self.kinds[self.turn(iteration, done) % len(self.kinds)]

    def network_and_loss(self, dataset: NoduleDataset, fold: int, seed: int) -> tuple[nn.Module, nn.Module]:
        """Untrained, the same for a seed."""
        torch.manual_seed(seed)
        trainer = dataset.trainer(self.trainer, KINDS[self.kinds[-1]].configuration, fold)
        network: nn.Module = trainer.network
        if self.change is not None:
            network = self.change(network)
        normalize_by_groups(network)
        return network, trainer.loss


MIXED = (SLICES, SEQUENCES)
SYSTEMS = {
    "nnU-Net 2d": System(nnUNetTrainer, (SLICES,)),
    "U-Net 2D, our recipe": System(nnUNetTrainerUNet, (SLICES,)),
    "without recurrence, single slices": System(nnUNetTrainerRAEMD_noLSTM, (SLICES,)),
    "nnU-Net 3d_fullres": System(nnUNetTrainer, (BLOCKS,)),
    "U-Net 3D, our recipe": System(nnUNetTrainerUNet, (BLOCKS,)),
    "RAEMD-Net": System(nnUNetTrainerRAEMD, (SEQUENCES,)),
    "without recurrence": System(nnUNetTrainerRAEMD_noLSTM, (SEQUENCES,)),
    "mixed batches": System(nnUNetTrainerRAEMD, MIXED),
    "mixed batches, without recurrence": System(nnUNetTrainerRAEMD_noLSTM, MIXED),
    "single slices first": System(nnUNetTrainerRAEMD, MIXED, later),
    "mixed batches, recurrence at full resolution": System(FullResolutionRecurrence, MIXED),
    "mixed batches, second recurrence in the decoder": System(
        nnUNetTrainerRAEMD, MIXED, change=DecoderRecurrence
    ),
    "mixed batches, second recurrence in the encoder": System(nnUNetTrainerRAEMD, MIXED, change=TwoScales),
    "mixed batches, with attention": System(nnUNetTrainerRAEMD_withAttention, MIXED),
    "mixed batches, without multi-scale": System(nnUNetTrainerRAEMD_noMultiScale, MIXED),
    "mixed batches, boundary term": System(nnUNetTrainerRAEMD, MIXED, boundary_term=True),
}
"""Mixed batches are sixteen single slices and two sequences of eight in turn."""

NOT_BY_DEFAULT = {"without recurrence", "mixed batches, second recurrence in the encoder"}
