"""Do the readers' contours give the nodules that LUNA16's `annotations.csv` states for the scan?

Contours are in pixels of a slice, LUNA16's centres in millimetres of the world: the two agree only where
contours, CSV and image are of the same scan, and the image lies in the world as it did when it was annotated.

LUNA16 took a nodule's centre and diameter from its readers one by one: half of the first reader's, a quarter
of the second's, and so on, the last two alike. This was found by fitting, and gives nearly all of its 1186
nodules to a thousandth of a millimetre (`benchmarks/luna16_masks.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from nnunetv2_raemd.dataset_conversion.archives.lidc.consensus import Nodule
from nnunetv2_raemd.dataset_conversion.archives.lidc.reader_masks import AxialGrid
from nnunetv2_raemd.volumes.balls import Ball

# LUNA16 states the nodules of at least three of LIDC's four readers.
MIN_READERS = 3
# How far a centre may be off along an axis: half a voxel, or this share of the diameter where that is more.
# Nearly all of LUNA16 needs far less. The few others are nodules that a reader drew in parts, which LUNA16
# averaged in a way of its own.
CENTRE_SHARE = 0.25
DIAMETER_RATIO = (0.8, 1.25)


@dataclass(frozen=True)
class Check:
    """What the comparison gave: `problems` is empty where all is well.

    offsets_mm: (N, 3), x, y, z of each nodule's centre minus that of `annotations.csv`.
    diameter_ratios: (N,), each diameter as a multiple of that of `annotations.csv`.
    """

    problems: list[str]
    offsets_mm: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    diameter_ratios: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def details(self) -> dict[str, Any]:
        """The figures for the report."""
        return {
            "check_centre_offsets_mm": [round(float(d), 3) for d in np.linalg.norm(self.offsets_mm, axis=1)],
            "check_diameter_ratios": [round(float(ratio), 3) for ratio in self.diameter_ratios],
        }


def check_nodules(nodules: Sequence[Nodule], balls: Sequence[Ball], grid: AxialGrid) -> Check:
    """Compare number, centre and diameter of the nodules of `MIN_READERS` with those of `annotations.csv`."""
    found = [average_reader(nodule) for nodule in nodules if nodule.number_of_readers >= MIN_READERS]
    if not found or not balls:
        return Check(_number_problem(len(found), len(balls)))
    centres, stated = (np.array([ball.centre_mm for ball in some]) for some in (found, balls))
    distances_mm = np.linalg.norm(centres[:, None] - stated, axis=-1)
    mine, theirs = linear_sum_assignment(distances_mm)
    diameters, stated_diameters = (np.array([ball.diameter_mm for ball in some]) for some in (found, balls))
    offsets_mm = centres[mine] - stated[theirs]
    ratios = diameters[mine] / stated_diameters[theirs]
    problems = _number_problem(len(found), len(balls))
    for k, ball in enumerate(theirs):
        problems += _nodule_problems(balls[ball], offsets_mm[k], float(ratios[k]), grid)
    return Check(problems, offsets_mm, ratios)


def average_reader(nodule: Nodule) -> Ball:
    """Centre and diameter of a nodule as LUNA16 averaged them, see above."""
    balls = nodule.reader_balls()
    weights = 0.5 ** np.arange(1, len(balls) + 1)
    weights[-1] *= 2
    x, y, z = weights @ np.array([ball.centre_mm for ball in balls])
    return Ball((float(x), float(y), float(z)), float(weights @ [ball.diameter_mm for ball in balls]))


def _number_problem(found: int, stated: int) -> list[str]:
    if found == stated:
        return []
    return [f"{found} nodules of at least {MIN_READERS} readers, {stated} in annotations.csv"]


def _nodule_problems(ball: Ball, offset_mm: np.ndarray, ratio: float, grid: AxialGrid) -> list[str]:
    place = "nodule at ({:.1f}, {:.1f}, {:.1f}) mm".format(*ball.centre_mm)
    problems = []
    allowed_mm = np.maximum(np.array(grid.spacing_mm) / 2, CENTRE_SHARE * ball.diameter_mm)
    if np.any(np.abs(offset_mm) > allowed_mm):
        problems.append(
            "{}: the contours' centre is ({:.1f}, {:.1f}, {:.1f}) mm off".format(place, *offset_mm)
        )
    if not DIAMETER_RATIO[0] <= ratio <= DIAMETER_RATIO[1]:
        problems.append(f"{place}: the contours' diameter is {ratio:.2f} times that of annotations.csv")
    return problems
