"""How alike neighbouring slices are: the paper's claim that recurrence makes masks coherent across slices."""

from __future__ import annotations

import math

import numpy as np

from nnunetv2_raemd.volumes.boxes import Mask


def neighbouring_slice_dice(mask: Mask) -> float:
    """Mean Dice between each slice and the next, from the first to the last slice that holds anything.

    Args:
        mask: (z, y, x). Pairs with an empty slice between others have a Dice of 0, also if both are empty.

    Returns:
        NaN where the mask holds fewer than two slices.
    """
    areas = np.count_nonzero(mask, axis=(1, 2))
    held = np.flatnonzero(areas)
    if len(held) == 0 or held[0] == held[-1]:
        return math.nan
    extent = slice(held[0], held[-1] + 1)
    mask, areas = mask[extent], areas[extent]
    shared = np.count_nonzero(mask[:-1] & mask[1:], axis=(1, 2))
    return float(np.mean(2 * shared / np.maximum(areas[:-1] + areas[1:], 1)))


def slice_continuity(reference: Mask, prediction: Mask) -> float:
    """`neighbouring_slice_dice` of the prediction by that of the reference; 1 is as coherent as that.

    NaN where either is undefined or the reference's slices share nothing.
    """
    expected = neighbouring_slice_dice(reference)
    return neighbouring_slice_dice(prediction) / expected if expected else math.nan
