"""The grey slices of a case as JPEG, small enough for a page with many cases."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
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
