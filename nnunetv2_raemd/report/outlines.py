"""The outline of a mask in one slice, as short text for the page."""

from __future__ import annotations

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray


def outline(mask: NDArray[np.bool_]) -> str:
    """The outlines of a mask (rows, columns), halfway between voxels in it and not.

    Returns:
        closed lines parted by ";", each a list of whole numbers: x and y of its first corner, then the steps
        to the next ones, all in half voxels from the centre of the first voxel.
    """
    if not mask.any():
        return ""
    lines = contour_generator(z=np.pad(mask, 1).astype(np.float64)).lines(0.5)
    return ";".join(_encoded(np.rint(2 * (np.asarray(line) - 1)).astype(int)) for line in lines)


def _encoded(corners: NDArray[np.int64]) -> str:
    steps = np.diff(corners, axis=0)
    turns = np.flatnonzero(np.any(np.diff(steps, axis=0) != 0, axis=1)) + 1
    kept = corners[[0, *turns, len(corners) - 1]]
    return " ".join(map(str, [*kept[0], *np.diff(kept, axis=0).ravel()]))
