"""The statistics of the paper's section 4: spread, interval, paired test, correction and effect size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
_RESAMPLES = 2000  # ample for percentiles; 9999 would take a minute for six systems of 888 cases
_SEED = 20250  # the same cases give the same interval

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class PairedTest:
    """Wilcoxon signed-rank test of paired differences, two-sided.

    Attributes:
        n_pairs: pairs in which both numbers are defined.
        n_zero: pairs without a difference; the test leaves them out.
        statistic: the smaller of the two sums of ranks; NaN without a difference.
        p: 1 where no pair differs, NaN without pairs.
        median_difference: of all pairs; infinite where a distance to nothing is compared with a finite one.
        effect_size: matched-pairs rank-biserial correlation, -1 to 1; positive where differences are.
    """

    n_pairs: int
    n_zero: int
    statistic: float
    p: float
    median_difference: float
    effect_size: float


def mean_and_sd(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (n - 1) of finite values; the latter NaN for fewer than two."""
    kept = finite(values)
    mean = float(np.mean(kept)) if len(kept) else math.nan
    return mean, float(np.std(kept, ddof=1)) if len(kept) > 1 else math.nan


def median_interval(values: Sequence[float]) -> Interval:
    """95 % bootstrap interval (percentile method) of the median of finite values; NaN for fewer than two."""
    kept = finite(values)
    if len(kept) < 2:
        return Interval(math.nan, math.nan)
    found = stats.bootstrap(
        (kept,),
        np.median,
        n_resamples=_RESAMPLES,
        batch=max(1, 2_000_000 // len(kept)),  # bounds the memory for thousands of cases
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return Interval(float(found.low), float(found.high))


def paired_test(values: Sequence[float], reference: Sequence[float]) -> PairedTest:
    """Test `values - reference` by pairs.

    Pairs with an undefined number (NaN) are left out. Two infinite numbers are equal; an infinite and a
    finite one differ more than any two finite ones. As `scipy.stats.wilcoxon` with `zero_method="wilcox"`:
    exact up to 50 pairs without ties and zeros, by permutations up to 13 pairs with them, else the normal
    approximation with a correction for ties.
    """
    differences = _differences(np.asarray(values, np.float64), np.asarray(reference, np.float64))
    n_pairs, n_zero = len(differences), int(np.count_nonzero(differences == 0))
    if n_pairs == n_zero:
        p, median, effect = (1.0, 0.0, 0.0) if n_pairs else (math.nan, math.nan, math.nan)
        return PairedTest(n_pairs, n_zero, math.nan, p, median, effect)
    found = stats.wilcoxon(differences, zero_method="wilcox", alternative="two-sided")
    return PairedTest(
        n_pairs,
        n_zero,
        float(found.statistic),
        float(found.pvalue),
        float(np.median(differences)),
        rank_biserial(differences),
    )


def rank_biserial(differences: Floats) -> float:
    """Matched-pairs rank-biserial correlation (Kerby 2014): difference of the rank sums by their total."""
    nonzero = differences[differences != 0]
    ranks = stats.rankdata(np.abs(nonzero))
    return float(np.sum(np.sign(nonzero) * ranks) / np.sum(ranks)) if len(nonzero) else 0.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values (Holm 1979), in the given order; NaN stays and does not count."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p)[: int(np.count_nonzero(~np.isnan(p)))]
    adjusted = np.full(len(p), math.nan)
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted.tolist()


def finite(values: Sequence[float]) -> Floats:
    """Those values that are neither NaN nor infinite."""
    array = np.asarray(values, np.float64)
    return array[np.isfinite(array)]


def _differences(values: Floats, reference: Floats) -> Floats:
    defined = ~(np.isnan(values) | np.isnan(reference))
    values, reference = values[defined], reference[defined]
    equal = values == reference  # also two infinite ones, whose difference would be NaN
    return np.where(equal, 0.0, np.subtract(values, reference, where=~equal, out=np.zeros(len(values))))
