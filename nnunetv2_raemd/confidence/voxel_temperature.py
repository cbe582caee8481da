"""Temperature scaling of voxel probabilities (Guo et al., ICML 2017), fitted on counts by log odds.

A label's probability p becomes sigmoid(logit(p) / T): for background and one label exactly the softmax of the
network's logits divided by T, for more labels and regions one label against all others. The likelihood needs
no more than how many voxels of the label and how many others there are at each log odds, which takes
kilobytes for any number of scans.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.confidence.calibration_quality import Reliability, reliability

LIMIT = 17.0
"""Log odds beyond this are counted as this: single precision knows no probability nearer to 1."""
BIN_WIDTH = 0.02
N_BINS = round(2 * LIMIT / BIN_WIDTH)
LOG_ODDS: NDArray[np.floating[Any]] = (np.arange(N_BINS) + 0.5) * BIN_WIDTH - LIMIT
LOWEST_RATED = 0.01
"""Voxels below this probability are nearly all of a scan, and nearly all right: they would hide the rest."""
_LOWEST_T, _HIGHEST_T = 0.05, 20.0


@dataclass(frozen=True)
class VoxelCounts:
    """Voxels of a label and others at each of `LOG_ODDS`."""

    inside: NDArray[np.int64]
    outside: NDArray[np.int64]

    def __add__(self, other: VoxelCounts) -> VoxelCounts:
        return VoxelCounts(self.inside + other.inside, self.outside + other.outside)


NO_VOXELS = VoxelCounts(np.zeros(N_BINS, np.int64), np.zeros(N_BINS, np.int64))


def count_voxels(
    probability: NDArray[np.floating[Any]], inside: NDArray[np.bool_], counted: NDArray[np.bool_]
) -> VoxelCounts:
    """Count the voxels of arrays of one shape, a slice at a time.

    Args:
        counted: voxels that count.
    """
    counts = np.zeros((2, N_BINS), np.int64)
    for in_slice, label, which in zip(probability, inside, counted, strict=True):
        values = in_slice[which].astype(np.float64)
        with np.errstate(divide="ignore"):
            log_odds = np.log(values) - np.log1p(-values)
        bins = ((np.clip(log_odds, -LIMIT, LIMIT) + LIMIT) / BIN_WIDTH).astype(np.intp)
        places = np.minimum(bins, N_BINS - 1) + N_BINS * label[which]
        counts += np.bincount(places, minlength=2 * N_BINS).reshape(2, N_BINS)
    return VoxelCounts(counts[1], counts[0])


def total(counts: Iterable[VoxelCounts]) -> VoxelCounts:
    """All together."""
    return sum(counts, NO_VOXELS)


def fit_temperature(counts: VoxelCounts) -> float:
    """The temperature of the highest likelihood; 1 where the label is in no voxel or in all."""
    if not counts.inside.any() or not counts.outside.any():
        return 1.0
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - predictions import this module and fit nothing

    def loss(log_t: float) -> float:
        scaled = LOG_ODDS / np.exp(log_t)
        return float(
            (counts.inside * np.logaddexp(0, -scaled)).sum()
            + (counts.outside * np.logaddexp(0, scaled)).sum()
        )

    bounds = (np.log(_LOWEST_T), np.log(_HIGHEST_T))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def at_temperature(probability: NDArray[Any], temperature: float) -> NDArray[np.floating[Any]]:
    """Probabilities as they are at another temperature than 1."""
    with np.errstate(divide="ignore"):
        log_odds = np.log(probability) - np.log1p(-probability)
    scaled: NDArray[np.floating[Any]] = 1 / (1 + np.exp(-log_odds / temperature))
    return scaled


def voxel_reliability(parts: Iterable[tuple[VoxelCounts, float]]) -> Reliability:
    """Of voxels whose probability is at least `LOWEST_RATED` before scaling, each part at its temperature."""
    probabilities, shares, weights = [], [], []
    rated = np.log(LOWEST_RATED / (1 - LOWEST_RATED)) <= LOG_ODDS
    for counts, temperature in parts:
        n = (counts.inside + counts.outside)[rated]
        probabilities.append(1 / (1 + np.exp(-LOG_ODDS[rated] / temperature)))
        shares.append(counts.inside[rated] / np.maximum(n, 1))
        weights.append(n)
    return reliability(*(np.concatenate(all_parts) for all_parts in (probabilities, shares, weights)))
