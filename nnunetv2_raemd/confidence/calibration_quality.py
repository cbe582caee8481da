"""How well probabilities agree with what they are probabilities of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_BINS = 10


@dataclass(frozen=True)
class Reliability:
    """Probabilities in bins of equal width, and what came true.

    Attributes:
        mean_probability, share_true: of each bin; NaN where it is empty.
        counts: of each bin.
        ece: expected calibration error (Naeini et al. 2015): the mean distance of the two, by counts.
        brier: mean square of probability less truth (Brier 1950).
    """

    mean_probability: tuple[float, ...]
    share_true: tuple[float, ...]
    counts: tuple[int, ...]
    ece: float
    brier: float


@dataclass(frozen=True)
class RiskCoverage:
    """Of the lesions with the highest confidence, up to a share (coverage), the share that is false (risk).

    Attributes:
        area: mean risk over all coverages; lower is better.
    """

    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    area: float


def reliability(
    probability: NDArray[np.floating[Any]],
    true: NDArray[np.floating[Any]],
    weights: NDArray[np.floating[Any]] | None = None,
) -> Reliability:
    """The reliability of probabilities (n,) of things that came true (1) or not (0).

    Args:
        true: may be shares between 0 and 1, of things that are counted together by `weights`.
        weights: how many things each entry stands for; 1 by default.
    """
    weights = np.ones(len(probability)) if weights is None else weights
    bins = np.minimum((probability * N_BINS).astype(int), N_BINS - 1)
    counts = np.bincount(bins, weights, N_BINS)
    with np.errstate(invalid="ignore"):
        means = np.bincount(bins, weights * probability, N_BINS) / counts
        shares = np.bincount(bins, weights * true, N_BINS) / counts
    total = counts.sum()
    if not total:
        nothing = (math.nan,) * N_BINS
        return Reliability(nothing, nothing, (0,) * N_BINS, math.nan, math.nan)
    ece = float(np.nansum(counts * np.abs(means - shares)) / total)
    squares = true * (1 - probability) ** 2 + (1 - true) * probability**2
    return Reliability(
        tuple(means.tolist()),
        tuple(shares.tolist()),
        tuple(int(n) for n in counts),
        ece,
        float((weights * squares).sum() / total),
    )


def risk_coverage(confidences: Sequence[float], real: Sequence[bool]) -> RiskCoverage:
    """The curve over thresholds; lesions of equal confidence are taken together."""
    if not confidences:
        return RiskCoverage((), (), math.nan)
    order = np.argsort(-np.asarray(confidences), kind="stable")
    ranked, false = np.asarray(confidences)[order], ~np.asarray(real, bool)[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    n_taken = ends + 1
    risk = np.cumsum(false)[ends] / n_taken
    area = float((risk * np.diff(n_taken, prepend=0)).sum() / len(ranked))
    return RiskCoverage(tuple((n_taken / len(ranked)).tolist()), tuple(risk.tolist()), area)
