"""Processes that load and augment batches by nnU-Net's own loaders: one for each kind of batch and fold.

All systems of a fold train on the same batches, so that they differ in nothing but what is compared, and a
batch is made once for all of them.
"""

from __future__ import annotations

import io
import multiprocessing as mp
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from typing import Any, NamedTuple

import numpy as np
import torch
from batch_ring import Batch, BatchRing
from boundary_term import signed_distances
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nodule_dataset import NoduleDataset

from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD

SLICES, SEQUENCES, BLOCKS = "slices", "sequences", "blocks"


class BatchKind(NamedTuple):
    """The trainer whose loader and augmentation make a kind of batch, and its configuration."""

    trainer: type[nnUNetTrainer]
    configuration: str


KINDS = {
    SLICES: BatchKind(nnUNetTrainer, "2d"),
    SEQUENCES: BatchKind(nnUNetTrainerRAEMD, "2d"),
    BLOCKS: BatchKind(nnUNetTrainer, "3d_fullres"),
}
"""Single slices, sequences of slices for RAEMD-Net, and blocks for 3D networks."""


class BatchStream(NamedTuple):
    """The batches of a kind and fold, and the process that makes them."""

    ring: BatchRing
    process: BaseProcess

    def has(self, number: int) -> bool:
        """Whether this batch has been made."""
        return self.ring.n_written > number

    def check(self) -> None:
        """Raises SystemExit if the process has ended, which would be waited for in vain."""
        if not self.process.is_alive():
            raise SystemExit(f"{self.process.name} ended with exit status {self.process.exitcode}, see above")

    def wait_for_first(self) -> None:
        """Until there is a batch."""
        while not self.has(0):
            self.check()
            time.sleep(0.05)


Streams = Mapping[tuple[str, int], BatchStream]
"""By kind and fold."""


@contextmanager
def produced_batches(
    dataset: NoduleDataset, kinds: Sequence[str], folds: Sequence[int], seed: int
) -> Iterator[Streams]:
    """Start the processes, which must be before CUDA is used in this one; they end with the block."""
    context = mp.get_context("fork")
    stop = context.Event()
    shapes = {kind: batch_shapes(dataset, kind, folds[0]) for kind in kinds}
    streams = {}
    for kind in kinds:
        for fold in folds:
            ring = BatchRing(shapes[kind])
            arguments = (dataset, kind, fold, seed, ring, stop)
            process = context.Process(
                target=produce, args=arguments, name=f"the process for {kind} of fold {fold}", daemon=True
            )
            process.start()
            streams[kind, fold] = BatchStream(ring, process)
    try:
        yield streams
    finally:
        stop.set()
        for stream in streams.values():
            stream.process.join()


def produce(dataset: NoduleDataset, kind: str, fold: int, seed: int, ring: BatchRing, stop: Event) -> None:
    """Fill the ring until `stop` is set or the process that reads it is gone."""
    reader = os.getppid()

    def is_over() -> bool:
        return stop.is_set() or os.getppid() != reader

    torch.set_num_threads(1)
    own_seed = 1000 * seed + 10 * fold + list(KINDS).index(kind)
    np.random.seed(own_seed)
    torch.manual_seed(own_seed)
    trainer = dataset.trainer(*KINDS[kind], fold)
    with redirect_stdout(io.StringIO()):
        loader, _ = trainer.get_dataloaders()
    while not is_over():
        batch = as_batch(next(loader), kind)
        while ring.is_full():
            if is_over():
                return
            time.sleep(0.002)
        ring.put(batch)


def as_batch(loaded: Mapping[str, Any], kind: str) -> Batch:
    """What nnU-Net's loader gives; with distances for sequences, which the boundary term is of."""
    masks = tuple(loaded["target"])
    return Batch(loaded["data"], masks, signed_distances(masks[0]) if kind == SEQUENCES else None)


def batch_shapes(dataset: NoduleDataset, kind: str, fold: int) -> Batch:
    """A batch of zeros as the loader's are."""
    trainer = dataset.trainer(*KINDS[kind], fold)
    patch = trainer.configuration_manager.patch_size
    images = torch.zeros((trainer.batch_size, 1, *patch))
    sizes = [
        [round(size * scale) for size, scale in zip(patch, scales, strict=True)]
        for scales in trainer._get_deep_supervision_scales()
    ]
    masks = tuple(torch.zeros((trainer.batch_size, 1, *size), dtype=torch.int16) for size in sizes)
    return Batch(images, masks, torch.zeros_like(images) if kind == SEQUENCES else None)
