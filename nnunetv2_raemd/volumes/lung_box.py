"""Where the lungs lie in a CT, as a box with a margin: outside of it there is no lung lesion to look for.

Found by a threshold and connected components, on a coarse grid: lungs are the largest air in the body that
does not reach the sides of the image. Where that is in doubt, and where one lung is missing, as it may be
behind a tumour that has closed its bronchus, no box is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from nnunetv2_raemd.volumes.boxes import Box

AIR_BELOW_HU = -400.0
"""between lungs, about -850 HU, and soft tissue, about 0 HU"""
MARGIN_MM = 20.0
GRID_MM = 3.0
MIN_LUNGS_ML = 500.0
"""both together; adults' hold 2 to 7 litres"""
MIN_SHARE_OF_A_SIDE = 0.15
MIN_SHARE_OF_A_PART = 0.15
"""of the largest component: a second lung that no trachea connects with it, but not gas in the bowel"""


class Anatomy(NamedTuple):
    """Which axes of an array run from foot to head and from right to left."""

    along: int = 0
    across: int = 2


@dataclass(frozen=True)
class LungBox:
    """The box of an image (z, y, x) to look at; None for all of it, and then why."""

    box: Box | None
    reason: str = ""


def anatomy_of(direction: Sequence[float]) -> Anatomy:
    """Of an array (z, y, x) whose image has SimpleITK's direction cosines, 9 in rows, of (x, y, z)."""
    cosines = np.abs(np.reshape(direction, (3, 3)))
    to_left, to_head = cosines[0].argmax(), cosines[2].argmax()
    return Anatomy(along=2 - int(to_head), across=2 - int(to_left))


def find_lung_box(
    image_hu: np.ndarray,
    spacing_mm: Sequence[float],
    anatomy: Anatomy = Anatomy(),  # noqa: B008 - immutable
) -> LungBox:
    """The box round both lungs in an image (z, y, x)."""
    steps = [max(1, round(GRID_MM / mm)) for mm in spacing_mm]
    coarse = np.ascontiguousarray(image_hu[:: steps[0], :: steps[1], :: steps[2]], np.float32)
    grid_mm = [step * mm for step, mm in zip(steps, spacing_mm, strict=True)]
    air = coarse < AIR_BELOW_HU
    parts = _inner_air(air, anatomy)
    voxel_ml = math.prod(grid_mm) / 1000
    if not parts or sum(n for _, n in parts) * voxel_ml < MIN_LUNGS_ML:
        return LungBox(None, f"no lungs of at least {MIN_LUNGS_ML:.0f} ml were found")
    lungs = np.logical_or.reduce([mask for mask, _ in parts])
    if _share_of_smaller_side(lungs, air, anatomy) < MIN_SHARE_OF_A_SIDE:
        return LungBox(None, "air was found in one lung only")
    return LungBox(_with_margin(lungs, steps, spacing_mm, image_hu.shape))


def _inner_air(air: np.ndarray, anatomy: Anatomy) -> list[tuple[np.ndarray, int]]:
    """Large components of air that do not reach the sides of the image, each with its number of voxels."""
    numbers = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(air.astype(np.uint8))))
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    sizes[_at_sides(numbers, anatomy)] = 0
    if sizes.max() == 0:
        return []
    large = np.flatnonzero(sizes >= MIN_SHARE_OF_A_PART * sizes.max())
    return [(numbers == number, int(sizes[number])) for number in large]


def _at_sides(numbers: np.ndarray, anatomy: Anatomy) -> np.ndarray:
    """The numbers at the four sides of the slices; at the first and last slice lungs may be cut off."""
    faces = [np.take(numbers, end, axis) for axis in range(3) if axis != anatomy.along for end in (0, -1)]
    return np.unique(np.concatenate([face.ravel() for face in faces]))


def _share_of_smaller_side(lungs: np.ndarray, air: np.ndarray, anatomy: Anatomy) -> float:
    """The part of the lungs' volume on the side of the body that has less of it."""
    others = tuple(axis for axis in range(3) if axis != anatomy.across)
    body = np.count_nonzero(~air, axis=others)
    middle = int(np.average(np.arange(len(body)), weights=body)) if body.any() else len(body) // 2
    of_lungs = np.count_nonzero(lungs, axis=others)
    left = int(of_lungs[: middle + 1].sum())
    total = int(of_lungs.sum())
    return min(left, total - left) / total


def _with_margin(
    lungs: np.ndarray, steps: Sequence[int], spacing_mm: Sequence[float], shape: Sequence[int]
) -> Box:
    sides = []
    for axis in range(3):
        held = np.flatnonzero(lungs.any(axis=tuple(other for other in range(3) if other != axis)))
        margin = math.ceil(MARGIN_MM / spacing_mm[axis])
        start = max(0, int(held[0]) * steps[axis] - margin)
        stop = min(shape[axis], (int(held[-1]) + 1) * steps[axis] + margin)
        sides.append(slice(start, stop))
    return sides[0], sides[1], sides[2]
