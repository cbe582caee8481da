"""Cubes as other scanners and protocols would show them, in three steps of each kind.

By other means than `training/scanner_augmentation.py`, and in HU and mm, so that what is tested is not what
was trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Cube = NDArray[np.float64]


class Kind(NamedTuple):
    """What changes, its three severities, and how; the second severity is the middle one."""

    title: str
    severities: tuple[float, float, float]
    apply: Callable[[Cube, float], Cube]


def smoothed(cube: Cube, sigma_mm: float) -> Cube:
    """A smooth kernel: a Gaussian of that width in-plane."""
    blurred: Cube = ndimage.gaussian_filter(cube, (0, sigma_mm, sigma_mm), mode="nearest")
    return blurred


def sharpened(cube: Cube, amount: float) -> Cube:
    """A sharp kernel: the edges that 1 mm of blur takes away, once more so many times."""
    return cube + amount * (cube - smoothed(cube, 1.0))


def noisy(cube: Cube, deviation_hu: float) -> Cube:
    """A low dose: noise of that standard deviation, correlated over 0.6 mm; always the same for a size."""
    noise = smoothed(np.random.default_rng(0).standard_normal(cube.shape), 0.6)
    return cube + noise * (deviation_hu / noise.std())


def thick(cube: Cube, thickness_mm: float) -> Cube:
    """Slices of that thickness without gap or overlap, interpolated to 1 mm again."""
    size = round(thickness_mm)
    starts = np.arange(0, len(cube), size)
    means = np.stack([cube[start : start + size].mean(axis=0) for start in starts])
    centres = [(start + min(start + size, len(cube)) - 1) / 2 for start in starts]
    places = np.interp(np.arange(len(cube)), centres, np.arange(len(centres)))
    below = np.floor(places).astype(int)
    above = np.minimum(below + 1, len(means) - 1)
    share = (places - below)[:, None, None]
    return (1 - share) * means[below] + share * means[above]


def shifted(cube: Cube, hu: float) -> Cube:
    """A scanner out of calibration."""
    return cube + hu


KINDS = {
    "smooth": Kind("smooth kernel, sigma in mm", (0.5, 1.0, 1.5), smoothed),
    "sharp": Kind("sharp kernel, amount", (1.0, 2.0, 4.0), sharpened),
    "noise": Kind("noise, HU", (50, 100, 200), noisy),
    "thick": Kind("slice thickness, mm", (2, 3, 5), thick),
    "shift": Kind("HU shift", (50, 100, 200), shifted),
}


NAMES = ("asis-0", *(f"{name}-{step}" for name in KINDS for step in (1, 2, 3)))
"""Of the cube as it is, and of every kind and severity."""


def degraded(cube: Cube) -> Iterator[tuple[str, Cube]]:
    """The cube as it is and by every kind and severity, with its name, in the order of `NAMES`."""
    changes = ((kind.apply, severity) for kind in KINDS.values() for severity in kind.severities)
    yield NAMES[0], cube
    for name, (apply, severity) in zip(NAMES[1:], changes, strict=True):
        yield name, apply(cube, severity)
