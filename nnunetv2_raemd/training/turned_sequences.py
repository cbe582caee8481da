"""Augmentation that turns sequences of slices out of their plane.

nnU-Net turns 3D patches in space, unless they are more than three times as wide as deep: then it takes their
images for anisotropic and turns slices in their plane only. RAEMD-Net's sequences are always that flat,
whatever the image is like. Where slices lie about as near to each other as pixels, a sequence may be cut
through the lung at an angle: a nodule has no upper end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from nnunetv2.configuration import ANISO_THRESHOLD
from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size

MAX_TILT = math.pi / 6
"""nnU-Net's for 3D patches"""
MAX_DEPTH = 4
"""How many times as deep as a patch what is cut out for it may be, before it is scaled: at 30 degrees, 512
pixels would need 260 slices, which take a loader seconds to read"""
SCALES = (0.85, 1.25)
"""for which nnU-Net's loaders cut out more than a patch"""
P_ROTATION = 0.7
P_SCALING = 0.4
"""nnU-Net's are 0.2"""


def is_isotropic(spacing: Sequence[float]) -> bool:
    """Whether nnU-Net would turn a cube of this spacing (mm) in space."""
    return max(spacing) / min(spacing) <= ANISO_THRESHOLD


@dataclass(frozen=True)
class OutOfPlane:
    """Random angles in radians: any about the axis of the slices, `tilt` at most about the others.

    A `RandomScalar` of batchgeneratorsv2, which gives it the axis as `dim`.
    """

    tilt: float

    def __call__(self, image: Any = None, dim: int = 0) -> float:
        limit = math.pi if dim == 0 else self.tilt
        return float(np.random.uniform(-limit, limit))

    def size_before(self, patch_size: Sequence[int]) -> Any:
        """What to cut out of an image (slices, rows, columns) for a patch of that size."""
        return get_patch_size(patch_size, math.pi, self.tilt, self.tilt, SCALES)


def out_of_plane(patch_size: Sequence[int]) -> OutOfPlane:
    """For patches (slices, rows, columns): as far as `MAX_TILT` and `MAX_DEPTH` allow.

    A slab d deep and w wide, tilted by t, is d cos t + w sin t = sqrt(d^2 + w^2) sin(t + atan(d / w)) deep.
    """
    depth, width = patch_size[0], max(patch_size[1:])
    at_most = min(1.0, MAX_DEPTH * depth / math.hypot(depth, width))
    return OutOfPlane(min(MAX_TILT, math.asin(at_most) - math.atan2(depth, width)))


def turn_more(pipeline: ComposeTransforms) -> ComposeTransforms:
    """The same pipeline with more images turned and scaled, if out of plane; it is changed in place."""
    for step in pipeline.transforms:
        if isinstance(step, SpatialTransform) and isinstance(step.rotation, OutOfPlane):
            step.p_rotation, step.p_scaling = P_ROTATION, P_SCALING
    return pipeline
