"""nnU-Net's trainer with RAEMD-Net, as it measured best on real nodules."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from nnunetv2_raemd.architecture import RAEMDNet
from nnunetv2_raemd.training.recipe_trainer import Schedule
from nnunetv2_raemd.training.sequence_trainer import nnUNetTrainerRAEMDSequences
from nnunetv2_raemd.training.single_slices import close_loaders, network_of, set_trained, single_slices


class nnUNetTrainerRAEMD(nnUNetTrainerRAEMDSequences):
    """Single slices for the larger part of the training, then sequences, on which the recurrence begins.

    A batch of single slices shows four times as many lesions as one of sequences, which is worth more at
    first than what slices tell of their neighbors (`docs/real-nodules.md`).
    """

    part_of_single_slices: ClassVar[float] = 0.6
    """of the training, its beginning"""
    loads_single_slices = False

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, Schedule]:
        """The recipe's; what is not trained yet is known before nnU-Net shares the network among GPUs."""
        self._train_what_is_due()
        return super().configure_optimizers()

    def get_dataloaders(self) -> tuple[Any, Any]:
        """nnU-Net's, of single slices in the first part of the training."""
        self.loads_single_slices = self._wants_single_slices()
        if not self.loads_single_slices:
            loaders: tuple[Any, Any] = super().get_dataloaders()
            return loaders
        with single_slices(self):
            loaders = super().get_dataloaders()
        return loaders

    def _epochs_of_single_slices(self) -> float:
        """None for networks of other kinds; all, if nothing needs sequences; else never the last."""
        network = network_of(self)
        if not isinstance(network, RAEMDNet):
            return 0
        needs_sequences = (
            network.encoder.recurrence is not None and self.configuration_manager.patch_size[0] > 1
        )
        if not needs_sequences or self.num_epochs < 2:
            return self.num_epochs
        return max(1, min(self.num_epochs * self.part_of_single_slices, self.num_epochs - 1))

    def _wants_single_slices(self) -> bool:
        return self.epochs_done() < self._epochs_of_single_slices()

    def _train_what_is_due(self) -> None:
        """All of the network; on single slices, in which the recurrence does nothing, all but it."""
        network = network_of(self)
        if isinstance(network, RAEMDNet) and network.encoder.recurrence is not None:
            set_trained(network.encoder.recurrence.parameters(), not self._wants_single_slices(), self)

    def on_train_epoch_start(self) -> None:
        """Also goes over from single slices to sequences once it is time."""
        super().on_train_epoch_start()
        self._train_what_is_due()
        if self.loads_single_slices and not self._wants_single_slices():
            n_slices = self.configuration_manager.patch_size[0]
            self.print_to_log_file(f"From here on: sequences of {n_slices} slices")
            close_loaders(self)
            self.dataloader_train, self.dataloader_val = self.get_dataloaders()
