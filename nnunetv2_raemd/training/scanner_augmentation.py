"""Augmentation for what differs between scanners and protocols: kernel, noise, slice thickness, HU.

Beside nnU-Net's augmentation, whose blur, noise and brightness know nothing of CT. All work on images
(C, H, W) or (C, T, H, W), T being slices, in the units of normalized images: 1 is the standard deviation of
the HU of the training's foreground, some 200 to 400 HU for nodules.
"""

from __future__ import annotations

from typing import Any

import torch
from batchgeneratorsv2.helpers.scalar_type import RandomScalar, sample_scalar
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform, ImageOnlyTransform
from batchgeneratorsv2.transforms.intensity.brightness import BrightnessAdditiveTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.pseudo2d import Convert2DTo3DTransform
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from torch import Tensor

from nnunetv2_raemd.training.in_plane_blur import blurred_slices

PROBABILITY = 0.3
"""of each of the four in an image; a quarter of the images are spared all of them"""


class KernelSharpness(ImageOnlyTransform):
    """Unsharp masking in-plane by an amount, as a sharper kernel; a negative amount smooths.

    The image plus `amount` times what a Gaussian blur of `sigma` pixels takes away; -1 is the blurred image.
    """

    def __init__(self, amount: RandomScalar, sigma: RandomScalar) -> None:
        super().__init__()
        self.amount, self.sigma = amount, sigma

    def get_parameters(self, **data: Any) -> dict[str, Any]:
        return {"amount": sample_scalar(self.amount), "sigma": sample_scalar(self.sigma)}

    def _apply_to_image(self, img: Tensor, **params: Any) -> Tensor:
        return img + params["amount"] * (img - blurred_in_plane(img, params["sigma"]))


class CorrelatedNoise(ImageOnlyTransform):
    """Noise whose pixels depend on their neighbors in-plane, as the reconstruction of low-dose CT leaves it.

    Its standard deviation is `deviation`, and it is white noise blurred by `sigma` pixels.
    """

    def __init__(self, deviation: RandomScalar, sigma: RandomScalar) -> None:
        super().__init__()
        self.deviation, self.sigma = deviation, sigma

    def get_parameters(self, **data: Any) -> dict[str, Any]:
        noise = blurred_in_plane(torch.randn(data["image"].shape), sample_scalar(self.sigma))
        return {"noise": noise * (sample_scalar(self.deviation) / noise.std().clamp_min(1e-6))}

    def _apply_to_image(self, img: Tensor, **params: Any) -> Tensor:
        return img + params["noise"]


class ThickSlices(ImageOnlyTransform):
    """Slices averaged with their neighbors, as thicker slices that overlap.

    `share` is a neighbor's weight by the slice's own: 1 is a slice three times as thick. Single slices, which
    have no neighbors, stay as they are.
    """

    def __init__(self, share: RandomScalar) -> None:
        super().__init__()
        self.share = share

    def get_parameters(self, **data: Any) -> dict[str, Any]:
        return {"share": sample_scalar(self.share)}

    def _apply_to_image(self, img: Tensor, **params: Any) -> Tensor:
        if img.ndim < 4:
            return img
        share = params["share"]
        before = torch.cat((img[:, :1], img[:, :-1]), dim=1)
        after = torch.cat((img[:, 1:], img[:, -1:]), dim=1)
        return (img + share * (before + after)) / (1 + 2 * share)


def blurred_in_plane(img: Tensor, sigma: float) -> Tensor:
    """Every slice of (C, H, W) or (C, T, H, W) blurred by itself."""
    return blurred_slices(img.flatten(0, -3), (sigma, sigma)).reshape(img.shape)


def scanner_transforms() -> list[BasicTransform]:
    """What may happen to an image, in the order in which a scanner does it."""
    steps = (
        ThickSlices(share=(0.0, 1.0)),
        KernelSharpness(amount=(-1.0, 1.5), sigma=(0.7, 1.5)),
        CorrelatedNoise(deviation=(0.0, 0.4), sigma=(0.5, 1.2)),
        BrightnessAdditiveTransform(mu=0.0, sigma=0.1, synchronize_channels=False),
    )
    return [RandomTransform(step, PROBABILITY) for step in steps]


def with_scanners(pipeline: ComposeTransforms) -> ComposeTransforms:
    """nnU-Net's augmentation with ours after what changes the place; it is changed in place."""
    placing = (SpatialTransform, Convert2DTo3DTransform)
    last = max(i for i, step in enumerate(pipeline.transforms) if isinstance(step, placing))
    pipeline.transforms[last + 1 : last + 1] = scanner_transforms()
    return pipeline
