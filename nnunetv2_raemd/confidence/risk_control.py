"""The threshold on confidences that keeps a promise: conformal risk control (Angelopoulos et al., ICLR 2024).

Of n calibrated scans with losses L_i(t) <= B, the first threshold t at which (sum of L_i(t) + B) / (n + 1)
is no more than the wanted risk keeps the expected loss of the next scan below that risk, provided that this
scan and the calibrated ones are exchangeable: from the same scanners and patients, annotated by the same
rule, predicted in the same way. The expectation is over scans, calibrated ones included; no single scan is
promised anything.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_raemd.confidence.lesion_evidence import ScoredCase

WORST_FALSE_POSITIVES = 10
"""A scan counts for at most so many times the wanted number: the bound that the method needs."""
EVERYTHING = 0.0
"""The threshold at which all lesions are listed."""
_ROUNDING = 1e-12


@dataclass(frozen=True)
class OperatingPoint:
    """Lesions of at least `threshold` are listed; what that promises, and on how many scans it rests."""

    threshold: float
    promise: str
    n_scans: int


class UnreachableError(ValueError):
    """No threshold keeps the promise; the message says why and what would."""


def for_false_positives(cases: Sequence[ScoredCase], wanted: float) -> OperatingPoint:
    """The lowest threshold with at most `wanted` false positives a scan, expected.

    A scan with more than `WORST_FALSE_POSITIVES` times the wanted number counts as having so many.

    Raises:
        UnreachableError: with fewer than 9 scans.
    """
    worst = WORST_FALSE_POSITIVES * wanted
    if worst / (len(cases) + 1) > wanted:
        raise UnreachableError(
            f"--false-positives needs {WORST_FALSE_POSITIVES - 1} or more calibrated scans, there are "
            f"{len(cases)}"
        )
    thresholds = _thresholds(cases, just_above=True)

    def kept(threshold: float) -> bool:
        losses = sum(min(case.false_positives(threshold), worst) for case in cases)
        return (losses + worst) / (len(cases) + 1) <= wanted

    threshold = thresholds[bisect_left(thresholds, True, key=kept)]  # the last one lists nothing
    false = "1 false positive" if wanted == 1 else f"{wanted:g} false positives"
    return OperatingPoint(threshold, f"at most {false} per scan", len(cases))


def for_sensitivity(cases: Sequence[ScoredCase], wanted: float) -> OperatingPoint:
    """The highest threshold at which the expected share of a scan's lesions that is listed is `wanted`.

    Scans without lesions have no part in it: the promise is for scans with lesions.

    Raises:
        UnreachableError: where even all predicted lesions are too few.
    """
    with_lesions = [case for case in cases if case.n_lesions]
    n_scans = len(with_lesions)
    thresholds = _thresholds(with_lesions, just_above=False)

    def broken(threshold: float) -> bool:
        missed = sum(case.missed_share(threshold) for case in with_lesions)
        return (missed + 1) / (n_scans + 1) > 1 - wanted + _ROUNDING

    n_kept = bisect_left(thresholds, True, key=broken)
    if not n_kept:
        missed = sum(case.missed_share(EVERYTHING) for case in with_lesions)
        best = max(0.0, 1 - (missed + 1) / (n_scans + 1))
        found = 1 - missed / max(n_scans, 1)
        raise UnreachableError(
            f"--sensitivity {wanted:g} cannot be promised: the predictions find {found:.2f} "
            f"of the lesions of {n_scans} calibrated scans, which allows at most {best:.2f}"
        )
    return OperatingPoint(
        thresholds[n_kept - 1], f"at least {100 * wanted:g} % of the lesions of a scan", n_scans
    )


def _thresholds(cases: Sequence[ScoredCase], *, just_above: bool) -> list[float]:
    """All thresholds at which something changes, rising; from the one that lists all lesions on."""
    confidences = sorted({value for case in cases for value in case.confidences})
    if just_above:  # the lesion itself is no longer listed
        confidences = [math.nextafter(value, math.inf) for value in confidences]
    return [EVERYTHING, *confidences]
