"""The model of lesions: against scikit-learn, a known truth, and cases that it must not have seen."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from simulated_cases import TRUE_INTERCEPT, TRUE_WEIGHTS, simulated, true_probability
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from nnunetv2_raemd.confidence.confidence_model import FEATURES, ConfidenceModel, features_of, fit_model
from nnunetv2_raemd.confidence.cross_fitting import fit_on, scored_by_others
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion


def drawn(n: int, seed: int = 0) -> tuple[np.ndarray, list[bool]]:
    rng = np.random.default_rng(seed)
    features = rng.normal((0, 1, 2, 0), (1, 2, 0.5, 1), (n, len(FEATURES)))
    return features, (rng.random(n) < true_probability(features)).tolist()


def test_confidences_are_scikit_learns() -> None:
    features, real = drawn(300)
    scaler = StandardScaler().fit(features)
    truth = LogisticRegression().fit(scaler.transform(features), real)
    expected = truth.predict_proba(scaler.transform(features))[:, 1]
    assert fit_model(features, real).confidences(features) == pytest.approx(expected)


def test_the_drawn_truth_is_found() -> None:
    features, real = drawn(50_000)
    model = fit_model(features, real)
    weights = np.divide(model.coefficients, model.scales)
    assert weights == pytest.approx(TRUE_WEIGHTS, abs=0.06)
    assert model.intercept - weights @ model.means == pytest.approx(TRUE_INTERCEPT, abs=0.15)
    new, _ = drawn(100, seed=9)
    assert model.confidences(new) == pytest.approx(true_probability(new), abs=0.03)


def test_few_lesions_get_the_share_of_real_ones() -> None:
    features, _ = drawn(20)
    model = fit_model(features, [True] * 16 + [False] * 4)
    assert model.confidences(features) == pytest.approx([17 / 22] * 20)
    nothing = fit_model(np.zeros((0, len(FEATURES))), [])
    assert nothing.confidences(features[:1]) == pytest.approx([0.5])


def test_a_feature_that_is_always_the_same_does_no_harm() -> None:
    features, real = drawn(200)
    features[:, 3] = 0.7
    confidences = fit_model(features, real).confidences(features)
    assert np.isfinite(confidences).all()


def test_kept_as_json() -> None:
    model = fit_model(*drawn(100))
    kept = json.loads(json.dumps(model.as_json()))
    assert kept["features"] == list(FEATURES)
    assert ConfidenceModel.from_json(kept) == model
    for change in ({"scales": [1, 1, 1, 0]}, {"means": [1, 2]}, {"intercept": math.nan}):
        with pytest.raises(ValueError, match=r"needs|finite"):
            ConfidenceModel.from_json(kept | change)


def test_no_case_is_rated_by_a_model_of_its_own_fold() -> None:
    """With all that is known of a fold turned round, its own confidences stay and those of others change."""
    cases = simulated(np.random.default_rng(0), 40)
    turned = [
        replace(case, touched=tuple(() if found else (0,) for found in case.touched))
        if case.group == "2"
        else case
        for case in cases
    ]
    pairs = list(zip(cases, scored_by_others(cases), scored_by_others(turned), strict=True))
    assert all(before.confidences == after.confidences for case, before, after in pairs if case.group == "2")
    assert any(before.confidences != after.confidences for case, before, after in pairs if case.group != "2")


def test_of_a_single_fold_parts_are_left_out_in_turn() -> None:
    cases = simulated(np.random.default_rng(0), 40, n_groups=1)
    assert fit_on(cases).n_real > 0
    changed = [replace(cases[0], touched=tuple((0,) for _ in cases[0].touched)), *cases[1:]]
    before, after = scored_by_others(cases)[0], scored_by_others(changed)[0]
    assert before.confidences == after.confidences


def test_features_of_a_lesion() -> None:
    lesion = MeasuredLesion(
        *(1, "nodule", (0, 0, 0), (0, 0, 0), 8, 8.0, 5.0, 3.0, 2.0, 1, 1, 1),
        max_probability=0.9,
        mean_probability=1.0,
    )
    highest, mean, size, continuity = features_of(lesion)
    assert highest == pytest.approx(math.log(9))
    assert mean == pytest.approx(math.log(1e4), abs=1e-3)
    assert size == pytest.approx(math.log(5))
    assert continuity == 0.0
