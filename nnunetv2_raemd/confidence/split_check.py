"""Whether the promise of an operating point is kept on scans that had no part in choosing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nnunetv2_raemd.confidence.lesion_evidence import ScoredCase
from nnunetv2_raemd.confidence.risk_control import (
    OperatingPoint,
    UnreachableError,
    for_false_positives,
    for_sensitivity,
)

N_SPLITS = 200
Choose = Callable[[Sequence[ScoredCase], float], OperatingPoint]
Loss = Callable[[ScoredCase, float], float]


@dataclass(frozen=True)
class SplitCheck:
    """Threshold chosen on one random half of the scans, applied to the other, many times.

    Attributes:
        promised: false positives a scan (at most), or sensitivity (at least).
        mean, sd: what came of it in the other halves, over the splits.
        n_unreachable: splits whose half was too small for the promise, or had too many lesions that no
            prediction touches. They have no part in the mean, which says little where they are many.
    """

    kind: str
    promised: float
    mean: float | None
    sd: float | None
    n_splits: int
    n_unreachable: int


def check_false_positives(cases: Sequence[ScoredCase], wanted: float = 1.0) -> SplitCheck:
    """False positives a scan, in the halves that had no part in the choice."""
    losses, missing = _over_splits(
        cases, for_false_positives, wanted, lambda case, threshold: case.false_positives(threshold)
    )
    return _summary("false positives", wanted, losses, missing)


def check_sensitivity(cases: Sequence[ScoredCase], wanted: float = 0.9) -> SplitCheck:
    """Share of a scan's lesions that is listed; of scans with lesions."""
    with_lesions = [case for case in cases if case.n_lesions]
    losses, missing = _over_splits(
        with_lesions, for_sensitivity, wanted, lambda case, threshold: 1 - case.missed_share(threshold)
    )
    return _summary("sensitivity", wanted, losses, missing)


def _over_splits(
    cases: Sequence[ScoredCase], choose: Choose, wanted: float, loss: Loss
) -> tuple[list[float], int]:
    rng = np.random.default_rng(0)
    losses, missing = [], 0
    for _ in range(N_SPLITS if len(cases) > 1 else 0):
        order = rng.permutation(len(cases)).tolist()
        chosen_on, other = order[: len(order) // 2], order[len(order) // 2 :]
        try:
            threshold = choose([cases[i] for i in chosen_on], wanted).threshold
        except UnreachableError:
            missing += 1
            continue
        losses.append(float(np.mean([loss(cases[i], threshold) for i in other])))
    return losses, missing


def _summary(kind: str, wanted: float, losses: Sequence[float], missing: int) -> SplitCheck:
    n_splits = len(losses) + missing
    if not losses:
        return SplitCheck(kind, wanted, None, None, n_splits, missing)
    return SplitCheck(kind, wanted, float(np.mean(losses)), float(np.std(losses)), n_splits, missing)
