"""Whether slices lie evenly, by their heights along the normal."""

from __future__ import annotations

import numpy as np

# How far a slice may be from its place on an even grid, as a part of the spacing: above the rounding of
# positions to a tenth of a millimetre that scanners write, far below what shifts a mask by half a voxel.
UNEVEN_FRACTION = 0.05
# So many pairs of neighbouring distances in a row have one sum where two passes alternate; not round missing
# slices.
_ALTERNATING = 5


def is_even(heights_mm: np.ndarray) -> bool:
    """Whether all of the ascending heights are where an even grid from the first to the last has them."""
    if len(heights_mm) < 2:
        return True
    even = np.linspace(heights_mm[0], heights_mm[-1], len(heights_mm))
    usual = float(np.median(np.diff(heights_mm)))
    return bool(np.abs(heights_mm - even).max() <= UNEVEN_FRACTION * usual)


def is_mixed(heights_mm: np.ndarray) -> bool:
    """Whether slices seem to be of two passes over one region, shifted against each other.

    Then a slice lies between two that are one usual distance apart, or distances alternate. One in the very
    middle may as well be where a scan changes to half the distance.
    """
    gaps = np.diff(heights_mm)
    pairs = gaps[:-1] + gaps[1:]
    off_middle = ~_near(gaps[:-1], pairs / 2)
    if _longest_run(off_middle[1:] & off_middle[:-1] & _near(pairs[1:], pairs[:-1])) >= _ALTERNATING - 1:
        return True
    if not len(gaps) or _has_missing_slices_only(gaps):
        return False
    steps = [gap for gap in gaps if np.count_nonzero(_near(gaps, gap)) > 1]
    return any(bool(np.any(off_middle & _near(pairs, step))) for step in steps)


def _has_missing_slices_only(gaps: np.ndarray) -> bool:
    usual = np.median(gaps)
    return bool(_near(gaps.min(), usual) and _near(gaps, np.rint(gaps / usual) * usual).all())


def _longest_run(true: np.ndarray) -> int:
    ends = np.flatnonzero(np.diff(np.concatenate([[0], true.astype(int), [0]])))
    return int((ends[1::2] - ends[::2]).max(initial=0))


def _near(one: np.ndarray, other: np.ndarray | np.floating) -> np.ndarray:
    return np.abs(one - other) <= UNEVEN_FRACTION * np.abs(other)
