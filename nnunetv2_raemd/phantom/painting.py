"""Laying tissue into a volume, with partial-volume edges."""

from __future__ import annotations

import numpy as np

from nnunetv2_raemd.phantom.grid import Box, FloatArray


def occupancy(depth_mm: FloatArray, edge_mm: float) -> FloatArray:
    """Share of a voxel that a structure fills, from the depth of its centre below the structure's surface.

    A voxel of width `edge_mm` cut by a flat surface through its centre (depth 0) is half filled.
    """
    return np.clip(depth_mm / np.float32(edge_mm) + np.float32(0.5), 0, 1)


def paint(volume: FloatArray, share: FloatArray, hu: float | FloatArray, box: Box) -> None:
    """Mix `hu` into the box of the volume, in place, by each voxel's share."""
    part = volume[box]
    part += share * (hu - part)
