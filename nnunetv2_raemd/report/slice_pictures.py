"""Slices of a case for the page: grey levels as JPEG, and the outline of a mask as short text."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray
from PIL import Image

MOST_CHARACTERS = 2_200_000  # a case: with 20 cases and Plotly a page stays below 60 MB
_QUALITIES = (80, 65, 50, 35, 20)


def jpegs(
    slices: Sequence[NDArray[np.uint8]] | NDArray[np.uint8], *, most: int = MOST_CHARACTERS
) -> list[str]:
    """Grey levels (rows, columns) of each slice as a JPEG file in base64.

    The quality is lowered, for all slices alike, until they have `most` characters together; the lowest is
    taken in any case. A LUNA16-sized slice has about 40,000 at the highest.
    """
    for quality in _QUALITIES:
        files = [_jpeg(levels, quality) for levels in slices]
        if sum(map(len, files)) <= most:
            break
    return files


def _jpeg(levels: NDArray[np.uint8], quality: int) -> str:
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=quality, optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


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
