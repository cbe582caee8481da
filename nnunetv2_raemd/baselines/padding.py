"""Patches of any size for networks that take only multiples of some number."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


class Padded(nn.Module):
    """A network that halves its input several times, for patches that nnU-Net planned for fewer times.

    Zeros are added at the end of each axis, as nnU-Net adds them around small images, and cut off again.
    (B, C, ...) to logits (B, K, ...) of the same size.
    """

    def __init__(self, network: nn.Module, *, multiple_of: int) -> None:
        super().__init__()
        self.network = network
        self.multiple_of = multiple_of

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        missing = [new - old for new, old in zip(padded_size(size, self.multiple_of), size, strict=True)]
        logits: Tensor = self.network(F.pad(x, [end for n in reversed(missing) for end in (0, n)]))
        for axis, length in enumerate(size, start=2):
            logits = logits.narrow(axis, 0, length)
        return logits


def padded_size(size: Sequence[int], multiple_of: int) -> list[int]:
    """The smallest multiples that hold `size` and leave the coarsest feature map more than one pixel.

    Of a single pixel, instance normalisation leaves nothing.
    """
    padded = [math.ceil(length / multiple_of) * multiple_of for length in size]
    if all(length == multiple_of for length in padded):
        padded[-1] += multiple_of
    return padded
