"""The network's own attention for a lesion: the masks that multiply its features (equations 3.5, 3.7)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nnunetv2_raemd.architecture.residual_attention import ResidualAttention
from nnunetv2_raemd.explanation.lesion_window import LesionWindow


@dataclass(frozen=True)
class AttentionMasks:
    """Of the finest decoder stage that has attention.

    Attributes:
        spatial: one number a pixel, (T, H, W), between 0 and 1.
        channels: one number a channel in the lesion's middle slice, between 0 and 1.
    """

    spatial: Tensor
    channels: Tensor


def attention_masks(network: nn.Module, window: LesionWindow) -> AttentionMasks | None:
    """The masks in a window; None of a network without attention."""
    found = [module for module in network.modules() if isinstance(module, ResidualAttention)]
    if not found:
        return None
    last = found[-1]
    with _outputs_of(last.spatial) as spatial, _outputs_of(last.channel) as channel, torch.inference_mode():
        network(window.image)
    size = window.roi.shape[1:]
    masks = nn.functional.interpolate(spatial[0].float(), size, mode="bilinear", align_corners=False)
    return AttentionMasks(masks[:, 0], channel[0][window.middle].flatten().float())


@contextmanager
def _outputs_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """What a module puts out, call by call, while the context lasts."""
    outputs: list[Tensor] = []
    hook = module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output.detach()))
    try:
        yield outputs
    finally:
        hook.remove()
