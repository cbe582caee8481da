"""Batches in memory that several processes share: one writes them, the other reads them in turn."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

N_SLOTS = 48
"""some seconds of training: what a slow batch takes is not waited for"""


class Batch(NamedTuple):
    """Images (B, 1, ...) and their masks in all sizes of deep supervision, finest first.

    Also the signed distances (`boundary_term.py`) of the finest masks, of kinds that the boundary term is of.
    """

    images: Tensor
    masks: tuple[Tensor, ...]
    distances: Tensor | None

    def tensors(self) -> list[Tensor]:
        """All that there is, in one order."""
        return [self.images, *self.masks, *([] if self.distances is None else [self.distances])]

    def zeros(self, *leading: int, device: torch.device | None = None) -> Batch:
        """Room for a batch of the same shapes, or with further axes before them for several."""
        distances = self.distances
        return Batch(
            _zeros(self.images, leading, device),
            tuple(_zeros(mask, leading, device) for mask in self.masks),
            None if distances is None else _zeros(distances, leading, device),
        )


class BatchRing:
    """Room for `N_SLOTS` batches like the given one, which one process writes and one reads.

    Batches are counted from 0. The reader's copy to a GPU may still be under way when it asks for the next
    batch, so that it gives back the room of a batch one later: see `release`.
    """

    def __init__(self, like: Batch) -> None:
        self.like = like
        self.slots = like.zeros(N_SLOTS)
        self.counts = torch.zeros(2, dtype=torch.int64)
        for tensor in (*self.slots.tensors(), self.counts):
            tensor.share_memory_()

    def room(self, device: torch.device) -> Batch:
        """For one of its batches, on a device."""
        return self.like.zeros(device=device)

    @property
    def n_written(self) -> int:
        """Batches put in so far."""
        return int(self.counts[0])

    def is_full(self) -> bool:
        """Whether the next batch would replace one that is not read yet."""
        return self.n_written - int(self.counts[1]) >= N_SLOTS

    def put(self, batch: Batch) -> None:
        """Write the next batch; its count follows when it is whole."""
        slot = self.n_written % N_SLOTS
        for room, tensor in zip(self.slots.tensors(), batch.tensors(), strict=True):
            room[slot].copy_(tensor)
        self.counts[0] += 1

    def copy_to(self, batch: Batch, number: int) -> None:
        """Copy a batch that has been written; from pinned memory to a GPU without waiting for it."""
        slot = number % N_SLOTS
        for tensor, room in zip(batch.tensors(), self.slots.tensors(), strict=True):
            tensor.copy_(room[slot], non_blocking=True)

    def release(self, number: int) -> None:
        """The copy of this batch has been started, and all before it are done."""
        self.counts[1] = max(0, number - 1)

    def pin(self) -> None:
        """Lock the memory in its place, so that a GPU can read it by itself."""
        for tensor in self.slots.tensors():
            n_bytes = tensor.numel() * tensor.element_size()
            torch.cuda.check_error(torch.cuda.cudart().cudaHostRegister(tensor.data_ptr(), n_bytes, 0))


def _zeros(like: Tensor, leading: tuple[int, ...], device: torch.device | None) -> Tensor:
    return torch.zeros((*leading, *like.shape), dtype=like.dtype, device=device)
