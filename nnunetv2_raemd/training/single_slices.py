"""Single slices before sequences: first the network within slices, then what it makes of their neighbors.

A batch of sequences shows few lesions, with several slices of each; as many single slices each show another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn
from torch._dynamo import OptimizedModule
from torch.nn.parallel import DistributedDataParallel

from nnunetv2_raemd.plans import raemd_plan
from nnunetv2_raemd.plans.preset import load_preset
from nnunetv2_raemd.training.averaged_adamw import AveragedAdamW
from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD


@contextmanager
def single_slices(trainer: nnUNetTrainer) -> Iterator[None]:
    """Within it, the trainer's data loaders are made for single slices, as many a batch as in its sequences.

    The patch size and batch size are what nnU-Net's loaders and augmentation go by.
    """
    configuration = trainer.configuration_manager.configuration
    patch_size, batch_size = configuration["patch_size"], trainer.batch_size
    n_slices, *in_plane = patch_size
    configuration["patch_size"], trainer.batch_size = [1, *in_plane], n_slices * batch_size
    try:
        yield
    finally:
        configuration["patch_size"], trainer.batch_size = patch_size, batch_size


def close_loaders(trainer: nnUNetTrainer) -> None:
    """End the processes of the trainer's data loaders, if they have any, as nnU-Net does after training."""
    for loader in (trainer.dataloader_train, trainer.dataloader_val):
        if isinstance(loader, NonDetMultiThreadedAugmenter):
            loader._finish()


def recurrence_of(trainer: nnUNetTrainer) -> nn.Module | None:
    """The recurrence of the trainer's network; none, if it was left out."""
    network = trainer.network
    if isinstance(network, DistributedDataParallel):
        network = network.module
    if isinstance(network, OptimizedModule):
        network = network._orig_mod
    recurrence: nn.Module | None = network.encoder.recurrence
    return recurrence


def train_only(recurrence: nn.Module, trainer: nnUNetTrainer) -> None:
    """Keep all weights but the recurrence's as they are from here on: at their averages, if they have any.

    Few lesions a batch are enough for its few weights, and what the others have learned of many is kept. May
    be called at every epoch, and for a training that is continued.
    """
    trained = set(recurrence.parameters())
    kept = [weight for weight in trainer.network.parameters() if weight not in trained]
    optimizer = trainer.optimizer
    if isinstance(optimizer, AveragedAdamW) and any(weight in optimizer.state for weight in kept):
        optimizer.settle()
    if not any(weight.requires_grad for weight in kept):
        return
    for weight in kept:
        weight.requires_grad_(False)
    if isinstance(trainer.network, DistributedDataParallel):  # it would wait for the others' gradients
        trainer.network = DistributedDataParallel(trainer.network.module, device_ids=[trainer.local_rank])


class nnUNetTrainerRAEMDSingleSlices(nnUNetTrainerRAEMD):
    """Plain convolutions for dense blocks; single slices for 80 % of the training, then the recurrence alone.

    What it gains on real nodules and what it costs is in `docs/real-nodules.md`.
    """

    part_of_single_slices: ClassVar[float] = 0.8
    """of the training, its beginning"""

    @classmethod
    def convert_plan(cls, plan: dict[str, Any], configuration: str) -> dict[str, Any]:
        """The RAEMD plan of a network without dense blocks; a RAEMD plan keeps the network that it names."""
        preset = replace(load_preset(), dense=False)
        return raemd_plan(plan, preset=preset, configurations=[configuration])

    loads_single_slices = False

    def get_dataloaders(self) -> tuple[Any, Any]:
        """nnU-Net's, of single slices in the part of the training for which the recipe wants them."""
        self.loads_single_slices = self._wants_single_slices()
        if not self.loads_single_slices:
            loaders: tuple[Any, Any] = super().get_dataloaders()
            return loaders
        with single_slices(self):
            loaders = super().get_dataloaders()
        return loaders

    def _epochs_of_single_slices(self) -> float:
        """All of them where there is no recurrence to train afterwards."""
        part = 1.0 if recurrence_of(self) is None else self.part_of_single_slices
        return self.num_epochs * part

    def _wants_single_slices(self) -> bool:
        return self.epochs_done() < self._epochs_of_single_slices()

    def epochs_of_schedule(self) -> float:
        """The learning rate rises and falls once with single slices and once more with sequences."""
        done, first = self.epochs_done(), self._epochs_of_single_slices()
        begin, end = (0.0, first) if done < first else (first, self.num_epochs)
        return self.num_epochs * (done - begin) / max(end - begin, 1)

    def on_train_epoch_start(self) -> None:
        """Also goes over from single slices to sequences once it is time."""
        super().on_train_epoch_start()
        recurrence = recurrence_of(self)
        if recurrence is None or self._wants_single_slices():
            return
        train_only(recurrence, self)
        if self.loads_single_slices:
            n_slices = self.configuration_manager.patch_size[0]
            self.print_to_log_file(f"From here on: the recurrence alone, on sequences of {n_slices} slices")
            close_loaders(self)
            self.dataloader_train, self.dataloader_val = self.get_dataloaders()
