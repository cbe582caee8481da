"""Shapes whose measures follow from formulas, drawn on any grid by the centres of its voxels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

Inside = Callable[[NDArray[Any]], NDArray[np.bool_]]
"""From places (..., xyz) in patient mm to whether they lie within."""

AXIAL = (1.0, 0, 0, 0, 1, 0, 0, 0, 1)
FLIPPED = (-1.0, 0, 0, 0, -1, 0, 0, 0, 1)
TILTED = (1.0, 0, 0, 0, 0.9396926207859084, -0.3420201433256687, 0, 0.3420201433256687, 0.9396926207859084)
SAGITTAL = (0.0, 0, 1, 1, 0, 0, 0, 1, 0)
"""The array's slices run to the left, its rows to the head and its columns to the back."""


def grid(
    size: Sequence[int],
    spacing_mm: Sequence[float],
    direction: Sequence[float] = AXIAL,
    origin_mm: Sequence[float] = (-31.0, 12.5, -700.25),
) -> sitk.Image:
    """An empty image; all arguments in SimpleITK's order (x first)."""
    image = sitk.Image(list(size), sitk.sitkUInt8)
    image.SetSpacing(spacing_mm)
    image.SetDirection(direction)
    image.SetOrigin(origin_mm)
    return image


def places(image: sitk.Image) -> NDArray[np.float64]:
    """The centres of all voxels in patient mm, (z, y, x, xyz)."""
    size = image.GetSize()
    indices = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1)
    steps = indices * image.GetSpacing() @ np.reshape(image.GetDirection(), (3, 3)).T
    return (steps + image.GetOrigin()).transpose(2, 1, 0, 3)


def draw(image: sitk.Image, *shapes: Inside) -> sitk.Image:
    """The image with voxels of 1 where any of the shapes is."""
    at = places(image)
    drawn = sitk.GetImageFromArray(np.any([shape(at) for shape in shapes], axis=0).astype(np.uint8))
    drawn.CopyInformation(image)
    return drawn


def middle_mm(image: sitk.Image) -> NDArray[np.float64]:
    """The middle of the image in patient mm."""
    middle = [(n - 1) / 2 for n in image.GetSize()]
    return np.asarray(image.TransformContinuousIndexToPhysicalPoint(middle))


def ball(centre_mm: Any, radius_mm: float) -> Inside:
    return lambda at: np.linalg.norm(at - centre_mm, axis=-1) < radius_mm


def ellipsoid(centre_mm: Any, half_axes_mm: Sequence[float], turn: Any) -> Inside:
    """Turned by a rotation matrix whose columns are the directions of its axes."""
    return lambda at: np.linalg.norm((at - centre_mm) @ turn / half_axes_mm, axis=-1) < 1


def rod(centre_mm: Any, size_mm: Sequence[float], turn: Any) -> Inside:
    """A box, turned the same way."""
    return lambda at: (np.abs((at - centre_mm) @ turn) < np.asarray(size_mm) / 2).all(axis=-1)


def turned_in_plane(degrees: float) -> NDArray[np.float64]:
    """Rotation about the patient's long axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([(c, -s, 0), (s, c, 0), (0, 0, 1)])
