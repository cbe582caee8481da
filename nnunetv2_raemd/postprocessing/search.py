"""The search for the post-processing of one label: step by step, kept only where it helps beyond noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from nnunetv2_raemd.nnunet_files.probability_agreement import LOWEST_THRESHOLD
from nnunetv2_raemd.postprocessing.postprocessing_steps import Postprocessing
from nnunetv2_raemd.postprocessing.search_trial import Trial

CANDIDATES: dict[str, tuple[Any, ...]] = {
    "threshold": (LOWEST_THRESHOLD, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9),
    "opening_mm": (1.0, 2.0),
    "closing_mm": (1.0, 2.0, 4.0),
    "fill_holes": (True,),
    "min_volume_mm3": (5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0),  # a ball of 3 mm has 14
    "min_probability": (0.6, 0.7, 0.8, 0.9, 0.95),
}
"""What is tried of each step, in the order of the steps."""
NEED_PROBABILITIES = ("threshold", "min_probability")

ScoreAll = Callable[[Sequence[Postprocessing]], np.ndarray]
"""Settings to scores (settings, cases)."""


def search(score_all: ScoreAll, *, with_probabilities: bool) -> tuple[Postprocessing, list[Trial]]:
    """The settings chosen, and what was tried.

    Greedy in the order of the steps: each tries its candidates on top of what was kept so far, and keeps the
    best if it improves on the same cases by `improvement_p_value`.
    """
    chosen = Postprocessing()
    (before,) = score_all([chosen])
    trials = []
    for step, values in CANDIDATES.items():
        if step in NEED_PROBABILITIES and not with_probabilities:
            continue
        candidates = [replace(chosen, **{step: value}) for value in values]
        scores = score_all(candidates)
        best = int(scores.mean(axis=1).argmax())
        p_value = min(1.0, len(values) * improvement_p_value(before, scores[best]))
        trials.append(Trial(step, values[best], float(before.mean()), float(scores[best].mean()), p_value))
        if trials[-1].kept:
            chosen, before = candidates[best], scores[best]
    return chosen, trials


def improvement_p_value(before: np.ndarray, after: np.ndarray) -> float:
    """One-sided Wilcoxon signed-rank test that `after` is larger; cases without a change are left out."""
    differences = after - before
    differences = differences[differences != 0]
    if not differences.size:
        return 1.0
    return float(stats.wilcoxon(differences, alternative="greater").pvalue)
