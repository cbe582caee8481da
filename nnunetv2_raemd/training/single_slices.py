"""Single slices before sequences: first the network within slices, then what it makes of their neighbors.

A batch of sequences shows few lesions, with several slices of each; as many single slices each show another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn
from torch._dynamo import OptimizedModule
from torch.nn.parallel import DistributedDataParallel


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


def network_of(trainer: nnUNetTrainer) -> nn.Module | None:
    """The trainer's network without what compiles it and shares it among GPUs; none before there is one."""
    network = trainer.network
    if isinstance(network, DistributedDataParallel):
        network = network.module
    if isinstance(network, OptimizedModule):
        network = network._orig_mod
    return network


def set_trained(weights: Iterable[nn.Parameter], trained: bool, trainer: nnUNetTrainer) -> None:
    """Train these weights of the network from here on, or keep them; may be called at every epoch."""
    changed = [weight for weight in weights if weight.requires_grad != trained]
    for weight in changed:
        weight.requires_grad_(trained)
    if changed and isinstance(trainer.network, DistributedDataParallel):  # it waits for all gradients
        shared = trainer.network
        trainer.network = DistributedDataParallel(shared.module, device_ids=shared.device_ids)
