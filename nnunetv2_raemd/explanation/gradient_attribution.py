"""Which voxels speak for a lesion, by gradients: integrated gradients and Grad-CAM, both captum's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from scipy import ndimage
from torch import Tensor, nn

from nnunetv2_raemd.explanation.lesion_window import LesionWindow
from nnunetv2_raemd.extras import needs_extra

_BLUR = 2.0  # times the radius
N_STEPS = 16
"""Of the integral: with twice as many, attributions on phantoms keep their order."""


def surroundings(window: LesionWindow) -> Tensor:
    """The window without the lesion, to compare with: blurred within slices, (1, C, T, H, W).

    The blur is twice as wide as the lesion, of which an eighth is then left. An even image would not do: the
    network's normalisation makes the same of it as of noise, at any contrast.
    """
    radius = float(window.roi.flatten(1).sum(1).max() / math.pi) ** 0.5
    sigma = (0, 0, 0, _BLUR * radius, _BLUR * radius)
    return torch.from_numpy(ndimage.gaussian_filter(window.image.numpy(), sigma, mode="nearest"))


def integrated_gradients(network: nn.Module, window: LesionWindow) -> Tensor:
    """Attribution of each voxel (T, H, W) by integrated gradients (Sundararajan et al., ICML 2017).

    From `surroundings` to the image; channels are summed up. They add up to the change of the score.

    Raises:
        UserError: if captum is not installed.
    """
    attribution = _captum("IntegratedGradients")(_score(network, window))
    found: Tensor = attribution.attribute(
        window.image, baselines=surroundings(window), n_steps=N_STEPS, internal_batch_size=1
    )
    return found[0].sum(0).detach()


def grad_cam(network: nn.Module, layer: nn.Module, window: LesionWindow) -> Tensor:
    """Attribution of each pixel (T, H, W) by Grad-CAM (Selvaraju et al., ICCV 2017) at a layer, not negative.

    Args:
        layer: puts out features (T, channels, h, w), as the stages of the decoder do.

    Raises:
        UserError: if captum is not installed.
    """
    attribution = _captum("LayerGradCam")(_score(network, window), layer)
    found: Tensor = attribution.attribute(window.image, relu_attributions=True)
    size = window.roi.shape[1:]
    scaled = nn.functional.interpolate(found, size, mode="bilinear", align_corners=False)
    return scaled[:, 0].detach()


def _score(network: nn.Module, window: LesionWindow) -> Callable[[Tensor], Tensor]:
    class Score(nn.Module):
        """captum asks a module for its layers."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: Tensor) -> Tensor:
            return window.score(self.network(image))

    return Score()


def _captum(name: str) -> Callable[..., Any]:
    with needs_extra("explain", "--explain"):
        from captum import attr  # noqa: PLC0415 - an extra
    found: Callable[..., Any] = getattr(attr, name)
    return found
