"""The search for settings, on scores that are known beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from nnunetv2_raemd.postprocessing.determine import score
from nnunetv2_raemd.postprocessing.postprocessing_choices import Objective
from nnunetv2_raemd.postprocessing.postprocessing_steps import Postprocessing
from nnunetv2_raemd.postprocessing.search import CANDIDATES, improvement_p_value, search

N_CASES = 20
BASELINE = np.linspace(0.4, 0.9, N_CASES)


def scores_by(gain: Callable[[Postprocessing], np.ndarray | float]) -> Callable[..., np.ndarray]:
    def score_all(candidates: Sequence[Postprocessing]) -> np.ndarray:
        return np.array([BASELINE + gain(candidate) for candidate in candidates])

    return score_all


def test_what_helps_every_case_is_kept_and_what_follows_builds_on_it() -> None:
    def gain(settings: Postprocessing) -> float:
        return 0.05 * (settings.min_volume_mm3 == 50) + 0.02 * (settings.min_probability == 0.8)

    chosen, trials = search(scores_by(gain), with_probabilities=True)
    assert chosen == Postprocessing(min_volume_mm3=50, min_probability=0.8)
    by_step = {trial.step: trial for trial in trials}
    assert by_step["min_probability"].before == pytest.approx(BASELINE.mean() + 0.05)
    assert by_step["min_probability"].after == pytest.approx(BASELINE.mean() + 0.07)
    assert [trial.step for trial in trials if trial.kept] == ["min_volume_mm3", "min_probability"]


def test_a_gain_within_the_noise_is_not_kept() -> None:
    noise = np.random.default_rng(1).normal(0.001, 0.05, N_CASES)
    chosen, trials = search(
        scores_by(lambda settings: noise * (settings.opening_mm == 1)), with_probabilities=True
    )
    assert chosen == Postprocessing()
    assert not any(trial.kept for trial in trials)


def test_one_large_gain_among_many_cases_is_no_proof() -> None:
    single = np.where(np.arange(N_CASES) == 0, 0.5, 0)
    chosen, _ = search(scores_by(lambda s: single * bool(s.fill_holes)), with_probabilities=False)
    assert chosen == Postprocessing()


def test_without_probabilities_only_steps_on_the_mask_are_tried() -> None:
    _, trials = search(scores_by(lambda _: 0.0), with_probabilities=False)
    assert [trial.step for trial in trials] == ["opening_mm", "closing_mm", "fill_holes", "min_volume_mm3"]


def test_the_p_value_is_that_of_the_exact_signed_rank_test() -> None:
    # all of n cases better: one of 2^n equally likely sign patterns
    before = np.zeros(10)
    assert improvement_p_value(before, np.arange(1, 11) / 10) == pytest.approx(1 / 2**10)
    assert improvement_p_value(before, before) == 1


def test_the_p_value_is_corrected_for_the_number_of_candidates() -> None:
    better = np.where(np.arange(N_CASES) < 7, np.arange(1, N_CASES + 1) / 100, 0)
    _, trials = search(scores_by(lambda s: better * (s.closing_mm == 2)), with_probabilities=False)
    (closing,) = (trial for trial in trials if trial.step == "closing_mm")
    assert closing.p_value == pytest.approx(len(CANDIDATES["closing_mm"]) / 2**7)


def test_objectives_of_cases_worked_out_by_hand() -> None:
    empty = np.zeros((1, 1, 12), bool)
    lesion = empty.copy()
    lesion[..., :4] = True
    more = lesion.copy()
    more[..., 6:8] = True  # Dice 2 * 4 / (4 + 6); lesions: one found, one false: F1 2 / 3
    assert score(lesion, more, Objective.DICE) == pytest.approx(0.8)
    assert score(lesion, more, Objective.DICE_AND_LESIONS) == pytest.approx((0.8 + 2 / 3) / 2)
    for objective in Objective:
        assert score(empty, empty, objective) == 1
        assert score(empty, more, objective) == 0
        assert score(lesion, empty, objective) == 0
