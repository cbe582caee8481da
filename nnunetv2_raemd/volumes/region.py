"""What of a probability map lies above a threshold: far less than the scan, as a rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.volumes.boxes import Mask, common_box

Probabilities = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Region:
    """The voxels of a map (z, y, x) above a threshold.

    Attributes:
        mask: of these voxels, cut to a box that holds them all.
        start: first voxel of the box in the whole image.
        probability: of each of them, in the order of the array.
    """

    mask: Mask
    start: tuple[int, int, int]
    probability: Probabilities


def region_above(threshold: float, slices: Iterable[Probabilities], shape: tuple[int, int, int]) -> Region:
    """The voxels above a threshold in the smallest box; in one of a single voxel where there are none.

    Args:
        slices: (y, x) of an image of that shape (z, y, x), from the first on; held one at a time.
    """
    mask = np.zeros(shape, np.bool_)
    firsts, ends, probability = [], [], []
    for z, found in enumerate(slices):
        above = found > threshold
        rows, columns = (np.flatnonzero(above.any(axis=axis)) for axis in (1, 0))
        if len(rows):
            mask[z] = above
            firsts.append((z, int(rows[0]), int(columns[0])))
            ends.append((z + 1, int(rows[-1]) + 1, int(columns[-1]) + 1))
            probability.append(found[above])
    if not probability:
        return Region(mask[:1, :1, :1], (0, 0, 0), np.zeros(0, np.float32))
    z, y, x = (min(places) for places in zip(*firsts, strict=True))
    z_end, y_end, x_end = (max(places) for places in zip(*ends, strict=True))
    return Region(mask[z:z_end, y:y_end, x:x_end], (z, y, x), np.concatenate(probability))


def counted_part(region: Region, counted: Mask, start: tuple[int, int, int]) -> Region:
    """The region without the voxels that do not count.

    Args:
        counted: in a box of the image that begins at voxel `start`; outside of it, all count.
    """
    in_region, in_counted = common_box(region.start, region.mask.shape, start, counted.shape)
    mask = region.mask.copy()
    mask[in_region] &= counted[in_counted]
    return Region(mask, region.start, region.probability[mask[region.mask]])
