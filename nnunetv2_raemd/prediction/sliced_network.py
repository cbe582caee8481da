"""What prediction asks of a network whose slices see each other in one place only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class SlicedNetwork(Protocol):
    """A network in three thirds, of which only the second looks at several slices; `RAEMDNet` is one.

    Its exported form is another, which runs the same thirds elsewhere than in torch.
    """

    def encode(self, slices: Tensor) -> list[Tensor]:
        """Slices (N, channels, H, W) to the features that each third after it needs, finest first."""

    def recur(self, features: Sequence[Tensor], n_slices: int) -> list[Tensor]:
        """Features of sequences of `n_slices` slices to features of the same shapes."""

    def decode(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Features of `recur` to logits (N, classes, H, W), the finest first."""
