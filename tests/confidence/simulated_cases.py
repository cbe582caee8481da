"""Cases whose truth is known because it was drawn: lesions that are real with a known probability."""

from __future__ import annotations

import numpy as np

from nnunetv2_raemd.confidence.confidence_model import FEATURES
from nnunetv2_raemd.confidence.lesion_evidence import CaseEvidence, ScoredCase

TRUE_INTERCEPT, TRUE_WEIGHTS = -0.5, (1.5, 0.5, 0.8, 0.0)


def simulated(rng: np.random.Generator, n_cases: int, *, n_groups: int = 5) -> list[CaseEvidence]:
    """Cases with Poisson-many predicted lesions, some of them real, and lesions that nothing found."""
    return [_case(rng, i, f"{i % n_groups}") for i in range(n_cases)]


def _case(rng: np.random.Generator, number: int, group: str) -> CaseEvidence:
    features = rng.normal(size=(rng.poisson(4), len(FEATURES)))
    real = rng.random(len(features)) < true_probability(features)
    touched, n_lesions = [], 0
    for one in real:
        touched.append((n_lesions,) if one else ())
        n_lesions += bool(one)
    highest = tuple((1 / (1 + np.exp(-features[:, 0]))).tolist())
    n_missed = int(rng.random() < 0.05)
    return CaseEvidence(f"case_{number}", group, features, highest, tuple(touched), n_lesions + n_missed)


def true_probability(features: np.ndarray) -> np.ndarray:
    """By which the real lesions are drawn."""
    probability: np.ndarray = 1 / (1 + np.exp(-(TRUE_INTERCEPT + features @ TRUE_WEIGHTS)))
    return probability


def scored_case(
    confidences: tuple[float, ...], touched: tuple[tuple[int, ...], ...], n_lesions: int
) -> ScoredCase:
    return ScoredCase(confidences, touched, n_lesions)
