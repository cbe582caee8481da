"""Which lesion of an earlier scan is which of a later one, and how much it has grown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from nnunetv2_raemd.lesions.ct_registration import Registration
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion

MARGIN_MM = 10.0
"""Two centres may lie apart by this and the larger lesion's radius: breathing moves nodules so far."""
NOTABLE_PERCENT = 25.0
"""Volumes of an unchanged nodule differ by up to this (BTS guideline, Callister et al. 2015)."""


@dataclass(frozen=True)
class LesionChange:
    """One lesion in both scans, or in one of them.

    Attributes:
        before, after: None where it is new, or gone.
        distance_mm: of the centres, once the scans are aligned.
        volume_growth_percent, long_axis_growth_percent: 100 is twice as large.
        doubling_days: time in which the volume doubles at this pace (Schwartz 1961); negative: in which it
            halves; None without dates or without change.
    """

    before: MeasuredLesion | None
    after: MeasuredLesion | None
    distance_mm: float | None = None
    volume_growth_percent: float | None = None
    long_axis_growth_percent: float | None = None
    doubling_days: float | None = None

    @property
    def status(self) -> str:
        """In a word."""
        if self.before is None or self.after is None:
            return "gone" if self.after is None else "new"
        growth = self.volume_growth_percent or 0.0
        if abs(growth) < NOTABLE_PERCENT:
            return "stable"
        return "grown" if growth > 0 else "shrunk"


def pair_lesions(
    before: Sequence[MeasuredLesion],
    after: Sequence[MeasuredLesion],
    registration: Registration,
    *,
    days: float | None,
) -> list[LesionChange]:
    """Each lesion once: those of both scans, those that are gone, those that are new.

    Pairs have one label, lie near each other, and are chosen so that as many as possible are made at the
    least sum of distances (the Hungarian method).
    """
    distances_mm = _distances_mm(before, after, registration)
    allowed = _allowed(before, after, distances_mm)
    forbidden = 1e6 + distances_mm.max(initial=0)
    rows, columns = linear_sum_assignment(np.where(allowed, distances_mm, forbidden))
    pairs = {int(i): int(j) for i, j in zip(rows, columns, strict=True) if allowed[i, j]}
    changes = [
        change(lesion, after[pairs[i]], float(distances_mm[i, pairs[i]]), days=days)
        if i in pairs
        else LesionChange(lesion, None)
        for i, lesion in enumerate(before)
    ]
    new = [lesion for j, lesion in enumerate(after) if j not in pairs.values()]
    return changes + [LesionChange(None, lesion) for lesion in new]


def change(
    before: MeasuredLesion, after: MeasuredLesion, distance_mm: float, *, days: float | None
) -> LesionChange:
    """How one lesion has changed."""
    return LesionChange(
        before,
        after,
        distance_mm,
        100 * (after.volume_mm3 / before.volume_mm3 - 1),
        100 * (after.long_axis_mm / before.long_axis_mm - 1),
        doubling_days(before.volume_mm3, after.volume_mm3, days),
    )


def doubling_days(before_mm3: float, after_mm3: float, days: float | None) -> float | None:
    """Days in which a volume doubles at the pace seen: t ln 2 / ln(V2 / V1)."""
    if days is None or before_mm3 == after_mm3:
        return None
    return days * math.log(2) / math.log(after_mm3 / before_mm3)


def mergers(changes: Sequence[LesionChange], registration: Registration) -> list[str]:
    """Lesions that seem gone but lie within one that is there, a sentence each: they may have merged."""
    there = [found.after for found in changes if found.after is not None]
    sentences = []
    for found in changes:
        if found.before is None or found.after is not None:
            continue
        place = registration.map(found.before.centre_mm)
        within = [one for one in there if math.dist(place, one.centre_mm) < one.long_axis_mm / 2]
        sentences += [
            f"Lesion {found.before.number} of the first scan lies within lesion {one.number} of the second: "
            "it may have grown into it"
            for one in within
        ]
    return sentences


def _distances_mm(
    before: Sequence[MeasuredLesion], after: Sequence[MeasuredLesion], registration: Registration
) -> np.ndarray:
    moved = np.reshape([registration.map(lesion.centre_mm) for lesion in before], (-1, 1, 3))
    centres = np.reshape([lesion.centre_mm for lesion in after], (1, -1, 3))
    distances: np.ndarray = np.linalg.norm(moved - centres, axis=-1)
    return distances


def _allowed(
    before: Sequence[MeasuredLesion], after: Sequence[MeasuredLesion], distances_mm: np.ndarray
) -> np.ndarray:
    reach = [
        [
            MARGIN_MM + max(one.equivalent_diameter_mm, other.equivalent_diameter_mm) / 2
            if one.label == other.label
            else -1.0
            for other in after
        ]
        for one in before
    ]
    return distances_mm <= np.reshape(reach, distances_mm.shape)
