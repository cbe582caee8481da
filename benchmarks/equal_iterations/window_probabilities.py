"""Foreground probabilities of many images of one size at once, by nnU-Net's windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import torch
from nnunetv2.inference.sliding_window_prediction import compute_gaussian, compute_steps_for_sliding_window
from torch import Tensor

STEP = 0.5
"""of a window's size, as nnU-Net's"""
SLICES_AT_ONCE = 1000


@torch.no_grad()
def foreground_probabilities(
    logits_of: Callable[[Tensor], Tensor], images: Tensor, window: Sequence[int]
) -> Tensor:
    """nnU-Net's sliding window without mirroring, over (n, z, y, x), which the probabilities are, too.

    Here a window is of all images, which a GPU takes in about the time of one, and logits are added up in
    single precision, nnU-Net's in half precision: where only the rim of a window reaches, in the corners of
    an image, its smallest weights are rounded.

    Args:
        logits_of: (n, 1, *window) to (n, 2, *window).
        window: slices, rows and columns.
    """
    size = tuple(window)
    starts = compute_steps_for_sliding_window(images.shape[1:], size, STEP)
    weights = compute_gaussian(
        size, value_scaling_factor=10, dtype=torch.float16, device=images.device
    ).float()
    n_images, *shape = images.shape
    logits = torch.zeros((n_images, 2, *shape), device=images.device)
    total_weights = torch.zeros(shape, device=images.device)
    for corner in product(*starts):
        place = tuple(slice(start, start + length) for start, length in zip(corner, size, strict=True))
        one_channel, all_channels = (slice(None), None, *place), (slice(None), slice(None), *place)
        parts = images[one_channel].split(max(1, SLICES_AT_ONCE // size[0]))
        of_window = torch.cat([logits_of(part.contiguous()) for part in parts]).float()
        logits[all_channels] += of_window * weights
        total_weights[place] += weights
    return (logits / total_weights).softmax(1)[:, 1]
