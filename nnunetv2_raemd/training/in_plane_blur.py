"""nnU-Net's Gaussian blur without the blur across slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform, blur_dimension
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from torch import Tensor


class InPlaneBlur(GaussianBlurTransform):
    """Blurs the slices of (C, T, H, W) alike, each by itself.

    nnU-Net's blur mixes neighbouring slices, whose differences RAEMD-Net is to learn from, and fails for
    three slices or fewer.
    """

    def _apply_to_image(self, img: Tensor, **params: Any) -> Tensor:
        channels = torch.where(params["apply_to_channel"])[0]
        for channel, (_, *sigmas) in zip(channels, params["sigmas"], strict=True):
            img[channel] = blurred_slices(img[channel], sigmas)
        return img


def blurred_slices(slices: Tensor, sigmas: Sequence[float]) -> Tensor:
    """(slices, H, W), each blurred by itself, with a sigma in pixels for rows and one for columns."""
    for axis, sigma in enumerate(sigmas):
        slices = blur_dimension(slices, sigma, axis)
    return slices


def blur_in_plane(pipeline: ComposeTransforms) -> ComposeTransforms:
    """The same pipeline with its Gaussian blur kept within slices; it is changed in place."""
    for step in pipeline.transforms:
        if isinstance(step, RandomTransform) and isinstance(step.transform, GaussianBlurTransform):
            blur = step.transform
            step.transform = InPlaneBlur(blur.blur_sigma, p_per_channel=blur.p_per_channel)
    return pipeline
