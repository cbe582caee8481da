"""Voxel values as grey levels of 8 bits, from which the page makes every window that it offers.

CT needs thousands of values, a picture has 256. Both windows of the viewer still come from one picture: the
values of the narrow mediastinal window get fine steps (2.6 HU), all below it coarse ones (11.5 HU).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """Values shown from black to white."""

    name: str
    low: float
    high: float


@dataclass(frozen=True)
class GreyScale:
    """A rising map from voxel values to grey levels, linear between its knots, and windows for it."""

    values: tuple[float, ...]
    levels: tuple[float, ...]
    windows: tuple[Window, ...]
    unit: str = ""

    def grey(self, image: NDArray[Any]) -> NDArray[np.uint8]:
        """Grey levels of an image of any shape; values beyond the ends are cut off, NaN is black."""
        return np.nan_to_num(np.interp(image, self.values, self.levels)).round().astype(np.uint8)


LUNG = Window("Lung", -1350, 150)  # centre -600 HU, width 1500
MEDIASTINUM = Window("Mediastinum", -160, 240)  # centre 40 HU, width 400
CT_SCALE = GreyScale((LUNG.low, MEDIASTINUM.low, MEDIASTINUM.high), (0, 103, 255), (LUNG, MEDIASTINUM), "HU")


def scale_of(image: NDArray[Any], channel: str) -> GreyScale:
    """The scale for an image: CT's, or for other channels one from its own finite values.

    Args:
        channel: its name in dataset.json; nnU-Net takes "CT" for Hounsfield units.
    """
    if channel.casefold() == "ct":
        return CT_SCALE
    finite = image[np.isfinite(image)]
    low, high = (float(value) for value in np.percentile(finite if finite.size else 0, (0.5, 99.5)))
    high = max(high, low + 1e-6)
    return GreyScale((low, high), (0, 255), (Window("0.5 to 99.5 percentile", low, high),))
