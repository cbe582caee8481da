"""Operating points: by hand, and their promise over many random splits."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_cases import simulated

from nnunetv2_raemd.confidence.cross_fitting import fit_on, scored, scored_by_others
from nnunetv2_raemd.confidence.lesion_evidence import ScoredCase
from nnunetv2_raemd.confidence.risk_control import (
    UnreachableError,
    for_false_positives,
    for_sensitivity,
)
from nnunetv2_raemd.confidence.split_check import check_false_positives, check_sensitivity

ONE_EACH = ScoredCase((0.9, 0.6, 0.3), ((0,), (), (1,)), 3)
"""Two real lesions found, one missed altogether, and a false one between."""


def test_losses_by_hand() -> None:
    assert [ONE_EACH.false_positives(t) for t in (0, 0.6, 0.61)] == [1, 1, 0]
    assert [ONE_EACH.missed_share(t) for t in (0, 0.3, 0.31, 0.9, 0.91)] == pytest.approx(
        [1 / 3, 1 / 3, 2 / 3, 2 / 3, 1]
    )
    assert ScoredCase((), (), 0).missed_share(0.5) == 0
    two_pieces = ScoredCase((0.2, 0.8), ((0,), (0,)), 1)
    assert [two_pieces.missed_share(t) for t in (0.5, 0.81)] == [0, 1]


def test_false_positives_by_hand() -> None:
    """19 scans with one false lesion each, at 0.05, 0.10, ...: (k + 5) / 20 <= 0.5 for k <= 5 above."""
    cases = [ScoredCase((0.05 * (i + 1),), ((),), 0) for i in range(19)]
    point = for_false_positives(cases, 0.5)
    assert sum(case.false_positives(point.threshold) for case in cases) == 5
    assert 0.7 <= point.threshold < 0.75
    assert point.n_scans == 19


def test_sensitivity_by_hand() -> None:
    """39 scans with one lesion each: (missed + 1) / 40 <= 0.1 for 3; scans without lesions do not count."""
    cases = [ScoredCase((0.02 * (i + 1),), ((0,),), 1) for i in range(39)]
    cases += [ScoredCase((), (), 0)] * 50
    point = for_sensitivity(cases, 0.9)
    assert sum(case.missed_share(point.threshold) for case in cases) == 3
    assert (point.threshold, point.n_scans) == (0.08, 39)


def test_what_cannot_be_promised_says_why() -> None:
    with pytest.raises(UnreachableError, match="9 or more"):
        for_false_positives([ONE_EACH] * 8, 1.0)
    assert for_false_positives([ONE_EACH] * 9, 1.0).n_scans == 9
    with pytest.raises(UnreachableError, match=r"find 0\.67 of the lesions"):
        for_sensitivity([ONE_EACH] * 100, 0.9)
    with pytest.raises(UnreachableError):
        for_sensitivity([], 0.9)


def test_promises_are_kept_by_scans_that_had_no_part_in_them() -> None:
    """200 times: a model, confidences by the model of the other fold, a threshold; then 50 new scans.

    The promise is on average over all of it. Its bounds are not idle: the risk comes near to them.
    """
    rng = np.random.default_rng(0)
    false, found = [], []
    for _ in range(200):
        known = simulated(rng, 60, n_groups=2)
        cases, model = scored_by_others(known), fit_on(known)
        later = [scored(case, model) for case in simulated(rng, 50)]
        threshold = for_false_positives(cases, 1.0).threshold
        false.append(np.mean([case.false_positives(threshold) for case in later]))
        threshold = for_sensitivity(cases, 0.8).threshold
        found.append(np.mean([1 - case.missed_share(threshold) for case in later if case.n_lesions]))
    assert 0.75 < np.mean(false) <= 1.0 + 2 * np.std(false) / np.sqrt(200)
    assert 0.8 - 2 * np.std(found) / np.sqrt(200) <= np.mean(found) < 0.86


def test_a_threshold_of_all_the_same_cases_would_not_keep_its_promise() -> None:
    """What the margin is for: choosing the threshold by the plain mean of few scans promises too much."""
    rng = np.random.default_rng(1)
    plain = []
    for _ in range(300):
        cases = [ScoredCase((rng.random(),), ((0,),), 1) for _ in range(10)]
        threshold = sorted(case.confidences[0] for case in cases)[1]  # 9 of 10 found
        plain.append(1 - threshold)
    assert np.mean(plain) < 0.85
    with pytest.raises(UnreachableError):
        for_sensitivity(cases[:8], 0.9)


def test_splits_of_the_calibrated_cases() -> None:
    cases = scored_by_others(simulated(np.random.default_rng(2), 100))
    false, found = check_false_positives(cases), check_sensitivity(cases, 0.8)
    assert (false.n_splits, false.n_unreachable) == (200, 0)
    assert false.mean is not None
    assert 0.6 < false.mean <= 1.05
    assert found.mean is not None
    assert found.mean > 0.78
    few = check_false_positives(cases[:6])
    assert (few.mean, few.n_unreachable) == (None, 200)
