"""The boundary term of a loss: how far from the reader's mask a network says that there is a nodule.

Kervadec et al., Boundary loss for highly unbalanced segmentation, MIDL 2019, equation 5.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

FARTHEST = 10
"""voxels from where on distances count alike: a false voxel at the other end of a patch is no worse"""


def signed_distances(masks: Tensor) -> Tensor:
    """Distances to each mask's surface in units of `FARTHEST` voxels, negative within; (B, 1, ...) as they.

    The outermost voxels of the mask have 0. A mask without any has 0 everywhere: it has no surface.
    """
    distances = np.zeros(masks.shape, np.float32)
    for distance, mask in zip(distances, masks.numpy() > 0, strict=True):
        if mask.any():
            outside, inside = distance_transform_edt(~mask[0]), distance_transform_edt(mask[0])
            distance[0] = np.clip(outside - np.maximum(inside - 1, 0), -FARTHEST, FARTHEST)
    return torch.from_numpy(distances / FARTHEST)


def boundary_term(logits: Tensor, distances: Tensor) -> Tensor:
    """The mean of foreground probability times signed distance, from logits (B, 2, ...)."""
    return (logits.float().softmax(1)[:, 1:] * distances).mean()
