"""A sequence of slices as a batch of slices, and back.

Everything 2D in RAEMD-Net works on slices folded into the batch axis, so that one call covers all of them.
"""

from __future__ import annotations

from torch import Tensor


def fold_slices(volume: Tensor) -> Tensor:
    """(B, C, T, H, W) to (B*T, C, H, W); slices of one sequence stay neighbours."""
    return volume.transpose(1, 2).flatten(0, 1)


def unfold_slices(slices: Tensor, n_slices: int) -> Tensor:
    """(B*T, C, H, W) to (B, C, T, H, W), the inverse of `fold_slices` for T = `n_slices`."""
    return slices.unflatten(0, (-1, n_slices)).transpose(1, 2)
