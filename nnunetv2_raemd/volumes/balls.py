"""Balls drawn into the grid of an image."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError


class Ball(NamedTuple):
    """A ball by its centre (x, y, z) in world coordinates and its diameter, all in mm."""

    centre_mm: tuple[float, float, float]
    diameter_mm: float


def draw_balls(image: sitk.Image, balls: Iterable[Ball]) -> sitk.Image:
    """Label map (uint8) on the grid of `image`: 1 where the voxel centre is within radius of a centre.

    Distances are taken in world coordinates by the image's full geometry (origin, spacing, direction). Raises
    `UserError` for a ball whose centre is outside the image or that covers no voxel centre.
    """
    mask = np.zeros(image.GetSize()[::-1], dtype=np.uint8)
    for ball in balls:
        if not _draw(mask, image, ball):
            place = ", ".join(f"{c:.2f}" for c in ball.centre_mm)
            raise UserError(
                f"the nodule at ({place}) mm, diameter {ball.diameter_mm:.2f} mm, does not lie in the image; "
                "do the annotations belong to this scan, and are they in mm of the patient?"
            )
    label = sitk.GetImageFromArray(mask)
    label.CopyInformation(image)
    return label


def leaves_image(image: sitk.Image, ball: Ball) -> bool:
    """Whether a part of the ball lies beside the image, farther than half a voxel from the last ones."""
    centre = np.asarray(image.TransformPhysicalPointToContinuousIndex(ball.centre_mm))
    radius = ball.diameter_mm / 2 / np.asarray(image.GetSpacing())
    return bool(np.any(centre - radius < -0.5) or np.any(centre + radius > np.asarray(image.GetSize()) - 0.5))


def _draw(mask: np.ndarray, image: sitk.Image, ball: Ball) -> bool:
    """Draw into `mask` (z, y, x); whether any voxel was hit and the centre is inside."""
    centre = np.asarray(image.TransformPhysicalPointToContinuousIndex(ball.centre_mm))
    size, spacing_mm = np.asarray(image.GetSize()), np.asarray(image.GetSpacing())
    if np.any(centre < -0.5) or np.any(centre > size - 0.5):
        return False
    radius_mm = ball.diameter_mm / 2
    first = np.maximum(np.ceil(centre - radius_mm / spacing_mm), 0).astype(int)
    last = np.minimum(np.floor(centre + radius_mm / spacing_mm), size - 1).astype(int)
    # The image's axes are at right angles: within its grid, distances do not depend on its direction.
    x, y, z = (
        ((np.arange(a, b + 1) - c) * mm) ** 2
        for a, b, c, mm in zip(first, last, centre, spacing_mm, strict=True)
    )
    hit = z[:, None, None] + y[:, None] + x <= radius_mm**2
    box = tuple(slice(a, b + 1) for a, b in zip(first[::-1], last[::-1], strict=True))
    mask[box] |= hit
    return bool(hit.any())


def ball_diameter_mm(volume_mm3: float) -> float:
    """Diameter of a ball of that volume."""
    return (6 * volume_mm3 / math.pi) ** (1 / 3)
