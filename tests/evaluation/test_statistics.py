"""Statistics: against SciPy, closed forms, and cases done by hand."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy import stats

from nnunetv2_raemd.evaluation.statistics import (
    holm,
    mean_and_sd,
    median_interval,
    paired_test,
    rank_biserial,
)

NAN, INF = math.nan, math.inf


def test_mean_and_sample_sd_by_hand() -> None:
    assert mean_and_sd([1, 2, 3, NAN, INF]) == (2, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy's, where it divides by n - 1 = 0
        mean, sd = mean_and_sd([5])
    assert mean == 5
    assert math.isnan(sd)
    assert all(math.isnan(value) for value in mean_and_sd([NAN]))


def test_median_interval_covers_the_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(60):
        interval = median_interval(rng.normal(3, 1, 40).tolist())
        covered += interval.low <= 3 <= interval.high
    assert 51 <= covered <= 60  # binomial(60, 0.95) leaves this range in fewer than 1 of 300 runs


def test_median_interval_is_the_same_every_time_and_needs_two_values() -> None:
    values = [0.1, 0.5, 0.7, 0.9, NAN, INF]
    assert median_interval(values) == median_interval(values)
    assert 0.1 <= median_interval(values).low < median_interval(values).high <= 0.9
    assert math.isnan(median_interval([0.5, NAN]).low)
    two = median_interval([0.25, 0.75])  # half of all resamples hold both, a quarter one of them twice
    assert (two.low, two.high) == (0.25, 0.75)
    equal = median_interval([0.5] * 4)
    assert (equal.low, equal.high) == (0.5, 0.5)


def test_exact_p_by_hand() -> None:
    """Six differences of one sign: two of 2^6 assignments are as extreme."""
    found = paired_test([2, 4, 6, 8, 10, 12], [1, 2, 3, 4, 5, 6])
    assert found.p == pytest.approx(2 / 64)
    assert (found.statistic, found.effect_size, found.median_difference) == (0, 1, 3.5)
    assert (found.n_pairs, found.n_zero) == (6, 0)


@pytest.mark.parametrize("n", [8, 30, 80])
def test_equals_scipy(n: int) -> None:
    x, y = np.random.default_rng(n).normal([[0.0], [0.3]], 1, (2, n))
    expected = stats.wilcoxon(x, y)
    found = paired_test(x.tolist(), y.tolist())
    assert (found.p, found.statistic) == (expected.pvalue, expected.statistic)


def test_ties_and_zeros_as_scipy_documents() -> None:
    x, y = [1, 1, 2, 3, 5, 5, 9], [1, 2, 1, 1, 3, 3, 4]
    expected = stats.wilcoxon(x, y, zero_method="wilcox")
    found = paired_test(x, y)
    assert found.p == expected.pvalue
    assert (found.n_pairs, found.n_zero) == (7, 1)


def test_no_difference_and_no_pairs() -> None:
    found = paired_test([1, 2], [1, 2])
    assert (found.p, found.effect_size, found.n_zero) == (1, 0, 2)
    empty = paired_test([NAN], [1])
    assert empty.n_pairs == 0
    assert math.isnan(empty.p)
    assert paired_test([2], [1]).p == 1  # one pair can show nothing


def test_infinite_distances_rank_last_and_equal_each_other() -> None:
    """A missed case is worse than any distance: as if it were a very large number."""
    found = paired_test([1, 2, 3, INF, INF, 5], [2, 4, 6, INF, 7, INF])
    expected = paired_test([1, 2, 3, 1e9, 1e9, 5], [2, 4, 6, 1e9, 7, 1e9 - 2])
    assert (found.n_pairs, found.n_zero) == (6, 1)
    assert found.effect_size == pytest.approx((4.5 - 1 - 2 - 3 - 4.5) / 15)
    assert found.p == pytest.approx(expected.p)


def test_rank_biserial_by_hand() -> None:
    """Ranks 1, 2, 3 of the sizes 1, 2, 4, of which 2 is negative: (1 + 3 - 2) / 6."""
    assert rank_biserial(np.array([1.0, -2, 4, 0])) == pytest.approx(2 / 6)


def test_holm_by_hand() -> None:
    """Holm 1979: 0.01 x 4, 0.02 x 3, 0.03 x 2, then never less than before."""
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1, 1]
    found = holm([0.01, NAN, 0.03])
    assert found[0] == pytest.approx(0.02)
    assert math.isnan(found[1])
    assert holm([]) == []
