"""Whether a network that runs elsewhere gives what torch's gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nnunetv2_raemd.architecture.slices import fold_slices, unfold_slices
from nnunetv2_raemd.prediction.sliced_network import SlicedNetwork

TOLERANCE = 1e-3
"""largest difference of logits, as a fraction of the largest logit"""
MAX_OTHER_LABELS = 1e-4
"""fraction of voxels whose most likely class may be another"""


@dataclass(frozen=True)
class Agreement:
    """Differences between logits over some blocks.

    Attributes:
        largest_difference: of all logits.
        largest_logit: by absolute value, of torch's.
        other_labels: fraction of voxels whose most likely class differs.
    """

    largest_difference: float
    largest_logit: float
    other_labels: float
    n_voxels: int

    @property
    def is_equal(self) -> bool:
        """Within the tolerances of this module."""
        allowed = TOLERANCE * max(1.0, self.largest_logit)
        return self.largest_difference <= allowed and self.other_labels <= MAX_OTHER_LABELS


@torch.inference_mode()
def logits_of(network: nn.Module, block: Tensor) -> Tensor:
    """Logits (classes, ...) of one block (C, T, H, W), or of one slice (C, H, W) of a 2D network."""
    if not isinstance(network, SlicedNetwork):
        logits: Tensor = network(block[None])[0]
        return logits
    slices = fold_slices(block[None])
    decoded = network.decode(network.recur(network.encode(slices), len(slices)))[0]
    return unfold_slices(decoded, len(slices))[0]


def compare(one: nn.Module, other: nn.Module, blocks: Iterable[Tensor]) -> Agreement:
    """How far the logits of `other` are from those of `one`.

    Raises:
        ValueError: if there is no block.
    """
    return _summarise([_difference(logits_of(one, block), logits_of(other, block)) for block in blocks])


def _difference(expected: Tensor, found: Tensor) -> Agreement:
    differs = expected.argmax(0) != found.argmax(0)
    return Agreement(
        float((expected - found).abs().max()),
        float(expected.abs().max()),
        float(differs.double().mean()),
        differs.numel(),
    )


def _summarise(each: Sequence[Agreement]) -> Agreement:
    n_voxels = sum(one.n_voxels for one in each)
    return Agreement(
        max(one.largest_difference for one in each),
        max(one.largest_logit for one in each),
        sum(one.other_labels * one.n_voxels for one in each) / n_voxels,
        n_voxels,
    )


def noise_blocks(n_channels: int, size: Sequence[int], n_blocks: int = 2) -> Iterator[Tensor]:
    """Blocks of noise (C, ...), in the place of cases where none are at hand."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(n_blocks):
        yield torch.randn((n_channels, *size), generator=generator)
