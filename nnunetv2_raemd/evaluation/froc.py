"""LUNA16's free-response ROC curve: sensitivity over false positives per scan, and its competition score.

As the official evaluation (https://luna16.grand-challenge.org/Evaluation/, Setio et al. 2017, section 2.4): a
lesion is found at the highest score of the candidates that hit it, its other candidates are ignored, and a
candidate that hits none is a false positive.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.evaluation.case_results import CaseResult, TargetResult

Floats = NDArray[np.float64]
LUNA16_RATES: tuple[float, ...] = (0.125, 0.25, 0.5, 1, 2, 4, 8)
"""False positives per scan at which the competition reads the sensitivity."""


@dataclass(frozen=True)
class FrocCurve:
    """Sensitivity and false positives per scan at falling thresholds; the first point is (0, 0)."""

    false_positives_per_scan: tuple[float, ...]
    sensitivity: tuple[float, ...]
    threshold: tuple[float, ...]
    n_scans: int
    n_lesions: int

    def sensitivity_at(self, rates: Sequence[float] = LUNA16_RATES) -> tuple[float, ...]:
        """Sensitivity at those false positives per scan, by linear interpolation as the official evaluation.

        Beyond the last point of the curve, its sensitivity. NaN where there is no lesion.
        """
        return tuple(np.interp(rates, self.false_positives_per_scan, self.sensitivity).tolist())

    @property
    def cpm(self) -> float:
        """Competition performance metric: mean sensitivity at `LUNA16_RATES`."""
        return float(np.mean(self.sensitivity_at()))


def froc_curve(
    lesion_scores: Iterable[float], false_scores: Iterable[float], *, n_lesions: int, n_scans: int
) -> FrocCurve:
    """The curve of scored candidates.

    Args:
        lesion_scores: the score of every lesion that has a candidate.
        false_scores: the score of every candidate that hits no lesion.
        n_lesions: all lesions, found or not.
        n_scans: all scans, also those without lesions or candidates.
    """
    hits = np.fromiter(lesion_scores, np.float64)
    scores = np.concatenate([hits, np.fromiter(false_scores, np.float64)])
    order = np.argsort(-scores, kind="stable")
    is_hit = (np.arange(len(scores)) < len(hits))[order]
    last_of_ties = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)
    found = np.cumsum(is_hit)[last_of_ties]
    false = last_of_ties + 1 - found
    sensitivity = found / n_lesions if n_lesions else np.full(len(found), np.nan)
    return FrocCurve(
        (0.0, *(false / n_scans).tolist()),
        (0.0 if n_lesions else float("nan"), *sensitivity.tolist()),
        (float("inf"), *scores[order][last_of_ties].tolist()),
        n_scans,
        n_lesions,
    )


def froc_of_cases(cases: Sequence[CaseResult], target: str) -> FrocCurve | None:
    """The curve of all cases together; None where any has no candidates."""
    results = [case.targets[target] for case in cases]
    if not results or any(result.candidates is None for result in results):
        return None
    return froc_curve(
        [score for result in results for score in _lesion_scores(result)],
        [c.score for result in results for c in result.candidates or () if not c.lesions],
        n_lesions=sum(len(result.lesions) for result in results),
        n_scans=len(results),
    )


def _lesion_scores(result: TargetResult) -> list[float]:
    best: dict[int, float] = {}
    for candidate in result.candidates or ():
        for lesion in candidate.lesions:
            best[lesion] = max(candidate.score, best.get(lesion, candidate.score))
    return list(best.values())
