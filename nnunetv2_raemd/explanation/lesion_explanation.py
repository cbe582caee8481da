"""All that is found out about one lesion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nnunetv2_raemd.explanation.attention_masks import attention_masks
from nnunetv2_raemd.explanation.gradient_attribution import grad_cam, integrated_gradients
from nnunetv2_raemd.explanation.lesion_window import LesionWindow
from nnunetv2_raemd.explanation.slice_reliance import SliceReliance, slice_reliance
from nnunetv2_raemd.prediction.sliced_network import SlicedNetwork

ATTENTION, INTEGRATED, GRAD_CAM = "spatial attention", "integrated gradients", "Grad-CAM"
ABOUT: Mapping[str, str] = {
    INTEGRATED: "Integrated gradients: voxels whose departure from their surroundings speaks for the lesion.",
    GRAD_CAM: "Grad-CAM: places where the decoder's last features speak for the lesion.",
    ATTENTION: "Spatial attention: what the network multiplies the features of its last decoder stage with.",
}
"""What each map is, the most telling first."""


@dataclass(frozen=True)
class LesionExplanation:
    """Of one lesion.

    Attributes:
        maps: (T, H, W) between 0 and 1, by name; of attributions, what speaks for the lesion.
        channels: the channel attention in the lesion's middle slice; None without attention.
    """

    window: LesionWindow
    maps: Mapping[str, Tensor]
    channels: Tensor | None
    reliance: SliceReliance | None


def explain(network: nn.Module, window: LesionWindow, *, kinds: frozenset[str]) -> LesionExplanation:
    """Look at a lesion in all ways of `kinds`, and at what the recurrence adds.

    Raises:
        UserError: if captum is not installed.
    """
    maps: dict[str, Tensor] = {}
    attention = attention_masks(network, window)
    if attention is not None and ATTENTION in kinds:
        maps[ATTENTION] = _between_0_and_1(attention.spatial)
    if INTEGRATED in kinds:
        maps[INTEGRATED] = _between_0_and_1(integrated_gradients(network, window).clamp(min=0))
    stages = getattr(getattr(network, "decoder", None), "stages", None)
    if GRAD_CAM in kinds and stages is not None:
        maps[GRAD_CAM] = _between_0_and_1(grad_cam(network, stages[-1], window))
    reliance = slice_reliance(network, window) if isinstance(network, SlicedNetwork) else None
    return LesionExplanation(window, maps, None if attention is None else attention.channels, reliance)


def _between_0_and_1(values: Tensor) -> Tensor:
    """From the lowest to the 99.9th percentile, beyond which single voxels would leave the rest dark."""
    low, high = float(values.min()), float(torch.quantile(values.flatten()[: 1 << 24].float(), 0.999))
    return ((values - low) / max(high - low, 1e-9)).clamp(0, 1)
