"""Masks, and boxes of them within an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


Box = tuple[slice, slice, slice]


def common_box(
    start: Sequence[int], shape: Sequence[int], other_start: Sequence[int], other_shape: Sequence[int]
) -> tuple[Box, Box]:
    """What two boxes of one image share, in the voxels of the first and in those of the other."""
    low = np.maximum(start, other_start)
    high = np.maximum(np.minimum(np.add(start, shape), np.add(other_start, other_shape)), low)
    return box_between(low - start, high - start), box_between(low - other_start, high - other_start)


def box_between(low: NDArray[Any], high: NDArray[Any]) -> Box:
    """The box from voxel `low` up to, but without, voxel `high`; both (z, y, x)."""
    z, y, x = (slice(*ends) for ends in zip(low.tolist(), high.tolist(), strict=True))
    return z, y, x
