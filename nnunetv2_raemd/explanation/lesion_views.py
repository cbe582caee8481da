"""Three views through a lesion, along the patient's axes, and overlays for them."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image

from nnunetv2_raemd.report.grey_scale import LUNG
from nnunetv2_raemd.report.slice_pictures import jpegs, outline

SIDE = 160
"""Pixels of a view."""
_SMALLEST_MM = 48.0
_FACTOR = 3.0  # times the long axis
_COLOURS = matplotlib.colormaps["cividis"]  # to be told apart by colour-blind readers too
_OPAQUE = 0.85

PLANES: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "axial": ((1.0, 0, 0), (0, 1.0, 0)),
    "coronal": ((1.0, 0, 0), (0, 0, -1.0)),
    "sagittal": ((0, 1.0, 0), (0, 0, -1.0)),
}
"""Directions of a view's rows (to the right) and columns (down), in LPS: as radiologists look at them."""


@dataclass(frozen=True)
class View:
    """One view.

    Attributes:
        picture: JPEG in base64, through the lung window.
        outlines: as `report.outlines` writes them.
        overlays: PNG in base64 with transparency, by name.
        pixel_mm: size of a pixel.
    """

    plane: str
    picture: str
    outlines: str
    overlays: Mapping[str, str]
    pixel_mm: float


def views(
    hu: sitk.Image,
    lesion: sitk.Image,
    centre_mm: tuple[float, float, float],
    long_axis_mm: float,
    overlays: Mapping[str, sitk.Image],
) -> list[View]:
    """The views through a place of the patient.

    Args:
        lesion: mask of the lesion, not 0 within.
        overlays: maps between 0 and 1, wherever they lie in the patient.
    """
    pixel_mm = max(_SMALLEST_MM, _FACTOR * long_axis_mm) / SIDE
    found = []
    for plane, (right, down) in PLANES.items():
        grid = _grid(centre_mm, right, down, pixel_mm)
        values = _sampled(hu, grid, sitk.sitkLinear, LUNG.low)
        grey = np.clip((values - LUNG.low) / (LUNG.high - LUNG.low), 0, 1) * 255
        mask = _sampled(lesion, grid, sitk.sitkNearestNeighbor, 0) > 0
        shown = {name: _png(_sampled(one, grid, sitk.sitkLinear, 0)) for name, one in overlays.items()}
        (picture,) = jpegs(grey.round().astype(np.uint8)[None])
        found.append(View(plane, picture, outline(mask), shown, pixel_mm))
    return found


def _grid(
    centre_mm: tuple[float, float, float],
    right: tuple[float, ...],
    down: tuple[float, ...],
    pixel_mm: float,
) -> sitk.Image:
    """An empty image of one slice through the centre."""
    grid = sitk.Image([SIDE, SIDE, 1], sitk.sitkUInt8)
    grid.SetSpacing((pixel_mm, pixel_mm, 1.0))
    axes = np.stack([right, down, np.cross(right, down)], axis=1)
    grid.SetDirection(axes.ravel().tolist())
    half = (SIDE - 1) / 2 * pixel_mm
    grid.SetOrigin((np.asarray(centre_mm) - half * (axes[:, 0] + axes[:, 1])).tolist())
    return grid


def _sampled(image: sitk.Image, grid: sitk.Image, interpolator: Any, outside: float) -> NDArray[Any]:
    pixels: NDArray[Any] = sitk.GetArrayFromImage(
        sitk.Resample(image, grid, sitk.Transform(), interpolator, outside, sitk.sitkFloat32)
    )
    return pixels[0]


def _png(values: NDArray[Any]) -> str:
    """A map between 0 and 1 in colours, the more opaque the higher."""
    shares = np.clip(np.nan_to_num(values), 0, 1)
    rgba = _COLOURS(shares)
    rgba[..., 3] = _OPAQUE * shares
    file = io.BytesIO()
    Image.fromarray((255 * rgba).round().astype(np.uint8)).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")
