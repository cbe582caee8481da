"""Which slices of a case are worth showing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

MARGIN = 2
MOST_SLICES = 40


def choose_slices(
    reference: NDArray[np.int64], predicted: NDArray[np.int64], *, most: int = MOST_SLICES
) -> list[int]:
    """Slices through the reference and the predictions, with a margin of `MARGIN` slices, in order.

    Where these are more than `most`: those of the reference first (evenly spread if even they are too many),
    then their margin, then those with the largest predictions. Where there is
    neither, the middle slice.

    Args:
        reference: voxels of the reference in each slice.
        predicted: voxels of all predictions in each slice.
    """
    own = reference > 0
    if own.sum() > most:
        slices = np.flatnonzero(own)
        return [int(slices[i]) for i in np.linspace(0, len(slices) - 1, most).round().astype(int)]
    margin = np.ones(2 * MARGIN + 1, bool)
    around = binary_dilation(own, margin)
    wanted = binary_dilation(own | (predicted > 0), margin)
    rank = np.lexsort((np.arange(len(own)), -predicted, ~around, ~own))
    return sorted(int(i) for i in [i for i in rank if wanted[i]][:most]) or [len(own) // 2]
