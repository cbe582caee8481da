"""An evaluation summed up: every metric over folds and cases, all lesions together, and systems compared."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_results import Evaluation, Lesion, SystemResult
from nnunetv2_raemd.evaluation.froc import FrocCurve, froc_of_cases
from nnunetv2_raemd.evaluation.lesion_matching import lesion_metrics
from nnunetv2_raemd.evaluation.metrics import RATED_METRICS, Metric
from nnunetv2_raemd.evaluation.overlap import ratio
from nnunetv2_raemd.evaluation.statistics import (
    Interval,
    PairedTest,
    finite,
    holm,
    mean_and_sd,
    median_interval,
    paired_test,
)

DIAMETER_LIMITS_MM: tuple[float, ...] = (0, 6, 8, 15, 30, math.inf)
"""Bins of lesion size: Lung-RADS v2022's limits for solid nodules, and 30 mm, where a mass begins."""


@dataclass(frozen=True)
class MetricSummary:
    """One metric of one system and target.

    Attributes:
        mean: of the folds' means where there are several (the paper's Table 3), else of the cases.
        sd: sample standard deviation; NaN for fewer than two numbers.
        spread_over: what mean and sd are of, "folds" or "cases".
        median, interval: over all cases, with the 95 % bootstrap interval.
        n_cases: finite values, of which all numbers here are made.
        n_undefined, n_infinite: cases left out, because the metric is NaN or infinite there.
        fold_means: by fold, in order.
    """

    metric: str
    mean: float
    sd: float
    spread_over: str
    median: float
    interval: Interval
    n_cases: int
    n_undefined: int
    n_infinite: int
    fold_means: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class DiameterBin:
    """The lesions of the reference from `low_mm` up to, not including, `high_mm`."""

    low_mm: float
    high_mm: float
    n_lesions: int
    n_detected: int

    @property
    def sensitivity(self) -> float:
        """Detected by all; NaN without lesions."""
        return ratio(self.n_detected, self.n_lesions)


@dataclass(frozen=True)
class LesionSummary:
    """The lesions of all cases together, each counting once."""

    n_scans: int
    n_lesions: int
    n_detected: int
    n_false: int
    precision: float
    f1: float
    dice: float
    one_piece: float
    continuity: float
    by_diameter: tuple[DiameterBin, ...]
    froc: FrocCurve | None

    @property
    def sensitivity(self) -> float:
        """Detected by all; NaN without lesions."""
        return ratio(self.n_detected, self.n_lesions)

    @property
    def false_per_scan(self) -> float:
        """False lesions by scans."""
        return ratio(self.n_false, self.n_scans)


@dataclass(frozen=True)
class TargetSummary:
    """One system on one target."""

    system: str
    target: str
    metrics: tuple[MetricSummary, ...]
    lesions: LesionSummary

    def metric(self, key: str) -> MetricSummary:
        """The metric of that key; `KeyError` if there is none."""
        return {found.metric: found for found in self.metrics}[key]


@dataclass(frozen=True)
class Comparison:
    """One metric of one system against another's, on the cases that both have.

    Differences are `system` less `against`.

    Attributes:
        p_holm: corrected for the number of systems compared on this metric and target.
    """

    system: str
    against: str
    target: str
    metric: str
    test: PairedTest
    p_holm: float


@dataclass(frozen=True)
class Summary:
    """All systems on all targets; `comparisons` is empty for a single system."""

    targets: tuple[TargetSummary, ...]
    comparisons: tuple[Comparison, ...]
    against: str | None

    def of(self, system: str, target: str) -> TargetSummary:
        """One system on one target; `KeyError` if there is none."""
        return {(found.system, found.target): found for found in self.targets}[system, target]


def summarize(
    evaluation: Evaluation, *, against: str | None = None, diameter_limits_mm: Sequence[float] | None = None
) -> Summary:
    """Sum up an evaluation.

    Args:
        against: the system that all others are tested against; the first by default.
        diameter_limits_mm: rising limits of the bins of lesion size; `DIAMETER_LIMITS_MM` by default.

    Raises:
        UserError: if there is no system `against`.
    """
    names = [system.name for system in evaluation.systems]
    check_against(against, names)
    reference = against or names[0]
    limits = tuple(diameter_limits_mm or DIAMETER_LIMITS_MM)
    targets = [target.name for target in evaluation.labels.targets]
    summaries = tuple(
        _summarize_target(system, target, limits)
        for system in evaluation.systems
        if system.cases
        for target in targets
    )
    comparisons = tuple(
        comparison
        for target in targets
        for metric in RATED_METRICS
        for comparison in _compare(evaluation, target, metric, reference)
    )
    return Summary(summaries, comparisons, reference if len(names) > 1 else None)


def check_against(against: str | None, systems: Sequence[str]) -> None:
    """Raise a `UserError` if a system to compare with is given and there is none of that name."""
    if against is not None and against not in systems:
        raise UserError(f"no system {against} to compare with (--against); there are: {', '.join(systems)}")


def summarize_metric(system: SystemResult, target: str, metric: str) -> MetricSummary:
    """One metric of one system and target over folds and cases."""
    values = list(system.values(target, metric).values())
    by_fold = [
        (fold, [case.targets[target].metrics[metric] for case in system.cases if case.fold == fold])
        for fold in system.folds
    ]
    fold_means = tuple((fold, mean_and_sd(numbers)[0]) for fold, numbers in by_fold)
    over_folds = len(fold_means) > 1
    mean, sd = mean_and_sd([value for _, value in fold_means] if over_folds else values)
    kept = finite(values)
    n_undefined = sum(math.isnan(value) for value in values)
    return MetricSummary(
        metric,
        mean,
        sd,
        "folds" if over_folds else "cases",
        statistics.median(kept.tolist()) if len(kept) else math.nan,
        median_interval(values),
        len(kept),
        n_undefined,
        len(values) - len(kept) - n_undefined,
        fold_means,
    )


def _summarize_target(system: SystemResult, target: str, limits: Sequence[float]) -> TargetSummary:
    metrics = tuple(summarize_metric(system, target, metric.key) for metric in RATED_METRICS)
    return TargetSummary(system.name, target, metrics, _summarize_lesions(system, target, limits))


def _summarize_lesions(system: SystemResult, target: str, limits: Sequence[float]) -> LesionSummary:
    results = [case.targets[target] for case in system.cases]
    lesions = [lesion for result in results for lesion in result.lesions]
    false = [lesion for result in results for lesion in result.false_lesions]
    pooled = lesion_metrics(lesions, false)
    return LesionSummary(
        n_scans=len(results),
        n_lesions=len(lesions),
        n_detected=sum(lesion.detected for lesion in lesions),
        n_false=len(false),
        precision=pooled["lesion_precision"],
        f1=pooled["lesion_f1"],
        dice=pooled["lesion_dice"],
        one_piece=pooled["one_piece"],
        continuity=pooled["continuity"],
        by_diameter=_bins(lesions, limits),
        froc=froc_of_cases(system.cases, target),
    )


def _bins(lesions: Sequence[Lesion], limits: Sequence[float]) -> tuple[DiameterBin, ...]:
    bins = []
    for low, high in pairwise(limits):
        inside = [lesion for lesion in lesions if low <= lesion.diameter_mm < high]
        bins.append(DiameterBin(low, high, len(inside), sum(lesion.detected for lesion in inside)))
    return tuple(bins)


def _compare(evaluation: Evaluation, target: str, metric: Metric, reference: str) -> list[Comparison]:
    expected = _rated(evaluation.system(reference), target, metric)
    others = [system for system in evaluation.systems if system.name != reference]
    tests = []
    for system in others:
        values = _rated(system, target, metric)
        shared = [case for case in values if case in expected]
        tests.append(paired_test([values[case] for case in shared], [expected[case] for case in shared]))
    corrected = holm([test.p for test in tests])
    return [
        Comparison(system.name, reference, target, metric.key, test, p)
        for system, test, p in zip(others, tests, corrected, strict=True)
    ]


def _rated(system: SystemResult, target: str, metric: Metric) -> dict[str, float]:
    """The values to test; of an error with a sign its size, since the sign does not make it better."""
    values = system.values(target, metric.key)
    return {case: abs(value) for case, value in values.items()} if metric.better == "zero" else values
