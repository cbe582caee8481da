"""Mixed precision on the CPU, where nnU-Net has none: bfloat16, if the processor has instructions for it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

# torch's own names; without an underscore it has none yet
_INSTRUCTIONS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


def computes_in_bfloat16() -> bool:
    """Whether this processor has instructions for bfloat16; others imitate it, more slowly than float32."""
    return any(getattr(torch.cpu, name, bool)() for name in _INSTRUCTIONS)


def mixed_precision(network: nn.Module, device: torch.device) -> AbstractContextManager[Any]:
    """Around a training step: convolutions in bfloat16, weights, normalization and loss in float32.

    On other devices nnU-Net chooses the precision itself. bfloat16 has the range of float32, so no gradient
    needs scaling. Networks with 3D convolutions stay in single precision: where their features are two voxels
    deep, torch 2.14 makes a kernel's gradient in bfloat16 of memory that nothing has been written to.
    """
    if device.type != "cpu" or not computes_in_bfloat16() or _convolves_in_3d(network):
        return nullcontext()
    return torch.autocast("cpu", torch.bfloat16)


def _convolves_in_3d(network: nn.Module) -> bool:
    return any(isinstance(module, nn.Conv3d | nn.ConvTranspose3d) for module in network.modules())
