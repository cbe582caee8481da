"""Augmentation that turns sequences of slices out of their plane.

nnU-Net turns 3D patches in space, unless they are more than three times as wide as deep: then it takes their
images for anisotropic and turns slices in their plane only. RAEMD-Net's sequences are always that flat,
whatever the image is like. Where slices lie about as near to each other as pixels, a sequence may be cut
through the lung at any angle: a nodule has no upper end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from nnunetv2.configuration import ANISO_THRESHOLD
from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size

MAX_TILT = math.pi / 6
"""nnU-Net's for 3D patches"""
SCALES = (0.85, 1.25)
"""for which nnU-Net's loaders cut out more than a patch"""
P_ROTATION = 0.7
P_SCALING = 0.4
"""nnU-Net's are 0.2"""


def is_isotropic(spacing: Sequence[float]) -> bool:
    """Whether nnU-Net would turn a cube of this spacing (mm) in space."""
    return max(spacing) / min(spacing) <= ANISO_THRESHOLD


def angle(image: Any = None, dim: int = 0) -> float:
    """A random angle in radians about an axis: any about that of the slices, `MAX_TILT` at most about others.

    A `RandomScalar` of batchgeneratorsv2, which gives it the axis as `dim`.
    """
    limit = math.pi if dim == 0 else MAX_TILT
    return float(np.random.uniform(-limit, limit))


def size_before_turning(patch_size: Sequence[int]) -> Any:
    """What to cut out of an image (slices, rows, columns) for a patch of that size once it is turned."""
    return get_patch_size(patch_size, math.pi, MAX_TILT, MAX_TILT, SCALES)


def turn_more(pipeline: ComposeTransforms) -> ComposeTransforms:
    """The same pipeline with more images turned and scaled, if by `angle`; it is changed in place."""
    for step in pipeline.transforms:
        if isinstance(step, SpatialTransform) and step.rotation is angle:
            step.p_rotation, step.p_scaling = P_ROTATION, P_SCALING
    return pipeline
