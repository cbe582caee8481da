"""Whether a scan is unlike those of the training, and in what: there, nothing predicted can be relied on.

A number outside of what the training had, widened by a factor, is a reason. Were a scan drawn as those of the
training, its number would lie outside the range of n others with a probability of at most 2 / (n + 1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.confidence.scan_profile import ScanProfile

WIDENED = 1.25
FEWEST_SCANS = 5
_LEAST_HU = 30.0  # histograms nearer than this on average are alike, however alike the training's are
_NAMES = {
    "slice_spacing_mm": ("slice spacing", "mm"),
    "pixel_spacing_mm": ("pixel spacing", "mm"),
    "length_mm": ("field of view along the patient", "mm"),
    "width_mm": ("field of view across the patient", "mm"),
    "lung_ml": ("air within the body (lung)", "ml"),
    "noise_hu": ("noise in soft tissue (kernel, dose)", "HU"),
}


@dataclass(frozen=True)
class TrainingScans:
    """What the scans of the training were like.

    Attributes:
        ranges: lowest and highest, by field of `ScanProfile`.
        hu_quantiles: the mean over scans.
        farthest_hu: the largest distance of a scan's quantiles from the mean of the others'.
    """

    n_scans: int
    ranges: Mapping[str, tuple[float, float]]
    hu_quantiles: tuple[float, ...]
    farthest_hu: float

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> TrainingScans:
        """What `as_json` wrote; `KeyError`, `TypeError` or `ValueError` for anything else."""
        ranges = {name: (float(low), float(high)) for name, (low, high) in content["ranges"].items()}
        quantiles = tuple(map(float, content["hu_quantiles"]))
        return cls(int(content["n_scans"]), ranges, quantiles, float(content["farthest_hu"]))

    def as_json(self) -> dict[str, Any]:
        """For the calibration file."""
        return asdict(self)


def training_scans(profiles: Sequence[ScanProfile]) -> TrainingScans | None:
    """The scans together; None where they are fewer than `FEWEST_SCANS`."""
    if len(profiles) < FEWEST_SCANS:
        return None
    ranges = {}
    for name in _NAMES:
        values = [value for value in (getattr(profile, name) for profile in profiles) if value is not None]
        if values:
            ranges[name] = (float(min(values)), float(max(values)))
    quantiles = np.array([profile.hu_quantiles for profile in profiles])
    others = (quantiles.sum(axis=0) - quantiles) / (len(profiles) - 1)
    farthest = float(np.abs(quantiles - others).mean(axis=1).max())
    return TrainingScans(len(profiles), ranges, tuple(quantiles.mean(axis=0).tolist()), farthest)


def unlikeness(scan: ScanProfile, training: TrainingScans) -> list[str]:
    """In what the scan is unlike those of the training, a sentence each; nothing for one like them."""
    return [*_outside(scan, training), *_other_hu(scan, training)]


def _outside(scan: ScanProfile, training: TrainingScans) -> Iterator[str]:
    for name, (low, high) in training.ranges.items():
        value = getattr(scan, name)
        what, unit = _NAMES[name]
        if value is not None and not low / WIDENED <= value <= high * WIDENED:
            usual = " to ".join(dict.fromkeys(map(_figure, (low, high))))
            yield f"{what}: {_figure(value)} {unit}, in the training {usual} {unit}"


def _figure(value: float) -> str:
    """Three digits, in thousands without an exponent."""
    return f"{float(f'{value:.3g}'):.10g}"


def _other_hu(scan: ScanProfile, training: TrainingScans) -> Iterator[str]:
    """The mean distance of quantiles is the earth mover's distance of the histograms."""
    higher = np.subtract(scan.hu_quantiles, training.hu_quantiles)
    distance = float(np.abs(higher).mean())
    if distance > max(WIDENED * training.farthest_hu, _LEAST_HU):
        yield (
            f"HU histogram: {distance:.0f} HU from that of the training{_shift(higher)}, whose scans are at "
            f"most {training.farthest_hu:.0f} HU from each other's mean"
        )


def _shift(higher: NDArray[np.float64]) -> str:
    """Says so where the scan's quantiles all lie on one side of the training's."""
    if higher.min() > 0:
        return " (higher throughout)"
    return " (lower throughout)" if higher.max() < 0 else ""
