"""The tables of an evaluation, as text in cells: for the terminal, Markdown and LaTeX alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.evaluation.froc import LUNA16_RATES
from nnunetv2_raemd.evaluation.metrics import BY_KEY, PAPER_METRICS, RATED_METRICS, Metric
from nnunetv2_raemd.evaluation.summary import Comparison, DiameterBin, MetricSummary, Summary, TargetSummary
from nnunetv2_raemd.evaluation.surface_distances import SURFACE_METRICS

_FURTHER_METRICS = tuple(m for m in RATED_METRICS if m not in PAPER_METRICS)


@dataclass(frozen=True)
class Table:
    """Rows of text under headings; the first column names the system.

    Attributes:
        bold: (row, column) of the cells to stress: the best of their column.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    bold: frozenset[tuple[int, int]] = frozenset()


def all_tables(summary: Summary, target: str) -> list[Table]:
    """Every table about one target that has something to say."""
    systems = [found for found in summary.targets if found.target == target]
    tables = [
        means_table(systems, PAPER_METRICS),
        means_table(systems, _FURTHER_METRICS, "Further metrics, mean ± SD"),
        medians_table(systems, PAPER_METRICS),
        lesions_table(systems),
        diameters_table(systems),
    ]
    if any(found.lesions.froc for found in systems):
        tables.append(froc_table(systems))
    if summary.comparisons:
        tables.append(comparisons_table([c for c in summary.comparisons if c.target == target]))
    return [table for table in tables if table.rows]


def means_table(
    systems: Sequence[TargetSummary], metrics: Sequence[Metric], title: str = "Mean ± SD"
) -> Table:
    """Mean ± SD, as the paper's Table 3."""

    metrics = _measured(systems, metrics)

    def cell(found: MetricSummary, metric: Metric) -> str:
        sd = "" if math.isnan(found.sd) else f" ± {number(found.sd, metric.digits)}"
        return number(found.mean, metric.digits) + sd

    rows = tuple((s.system, *(cell(s.metric(m.key), m) for m in metrics)) for s in systems)
    bold = frozenset(
        (row, column)
        for column, metric in enumerate(metrics, start=1)
        for row in _best([s.metric(metric.key).mean for s in systems], metric)
    )
    return Table(title, ("System", *(m.title for m in metrics)), rows, _spread_note(systems), bold)


def medians_table(systems: Sequence[TargetSummary], metrics: Sequence[Metric]) -> Table:
    """Median over cases with its 95 % bootstrap interval."""

    metrics = _measured(systems, metrics)

    def cell(found: MetricSummary, metric: Metric) -> str:
        low, high = (number(n, metric.digits) for n in (found.interval.low, found.interval.high))
        return f"{number(found.median, metric.digits)} [{low}, {high}]"

    rows = tuple((s.system, *(cell(s.metric(m.key), m) for m in metrics)) for s in systems)
    note = "Median over cases with a finite value, and its 95 % bootstrap confidence interval."
    return Table("Median [95 % interval]", ("System", *(m.title for m in metrics)), rows, note)


def lesions_table(systems: Sequence[TargetSummary]) -> Table:
    """Detection and coherence of all lesions together."""
    columns: dict[str, Callable[[TargetSummary], str]] = {
        "Lesions": lambda s: f"{s.lesions.n_lesions}",
        "Detected": lambda s: f"{s.lesions.n_detected}",
        "Sensitivity": lambda s: number(s.lesions.sensitivity),
        "Precision": lambda s: number(s.lesions.precision),
        "F1": lambda s: number(s.lesions.f1),
        "False per scan": lambda s: number(s.lesions.false_per_scan, 2),
        "Dice of detected": lambda s: number(s.lesions.dice),
        "In one piece": lambda s: number(s.lesions.one_piece),
        "Slice continuity": lambda s: number(s.lesions.continuity),
    }
    rows = tuple((s.system, *(cell(s) for cell in columns.values())) for s in systems)
    note = "All lesions of all cases together; in one piece and slice continuity: of detected lesions."
    return Table("Lesions", ("System", *columns), rows, note)


def diameters_table(systems: Sequence[TargetSummary]) -> Table:
    """Sensitivity by diameter."""
    bins = systems[0].lesions.by_diameter if systems else ()
    headings = tuple(f"{_range(b)} mm" for b in bins)

    def cell(found: DiameterBin) -> str:
        share = number(found.sensitivity)
        return f"{share} ({found.n_detected}/{found.n_lesions})" if found.n_lesions else "–"

    rows = tuple((s.system, *map(cell, s.lesions.by_diameter)) for s in systems)
    note = "Diameter of the ball of the same volume."
    return Table("Lesion sensitivity by diameter", ("System", *headings), rows, note)


def froc_table(systems: Sequence[TargetSummary]) -> Table:
    """Sensitivity at LUNA16's false positives per scan, and their mean."""
    curves = [(s.system, s.lesions.froc) for s in systems if s.lesions.froc]
    rows = tuple(
        (name, *(number(value) for value in (*curve.sensitivity_at(), curve.cpm))) for name, curve in curves
    )
    rates = tuple(f"{rate:g}" for rate in LUNA16_RATES)
    note = "Lesion sensitivity by false positives per scan; CPM is the mean of the seven."
    return Table("FROC", ("System", *rates, "CPM"), rows, note)


def comparisons_table(comparisons: Sequence[Comparison]) -> Table:
    """Every test: pairs, median difference, p, Holm's p and effect size."""
    rows = tuple(
        (
            c.system,
            BY_KEY[c.metric].title,
            f"{c.test.n_pairs}",
            number(c.test.median_difference, BY_KEY[c.metric].digits),
            p_value(c.test.p),
            p_value(c.p_holm),
            number(c.test.effect_size, 2),
        )
        for c in comparisons
    )
    against = comparisons[0].against if comparisons else ""
    note = (
        "Wilcoxon signed-rank test over cases, two-sided; Holm's correction for the number of systems; "
        "r: matched-pairs rank-biserial correlation."
    )
    headings = ("System", "Metric", "Pairs", "Median difference", "p", "p (Holm)", "r")
    return Table(f"Against {against}", headings, rows, note)


def number(value: float, digits: int = 3) -> str:
    """A number for a table; a dash where it is undefined."""
    if math.isnan(value):
        return "–"
    return f"{value:.{digits}f}" if math.isfinite(value) else ("∞" if value > 0 else "-∞")


def p_value(value: float) -> str:
    """As papers give it."""
    return "<0.001" if value < 0.001 else number(value)


def _measured(systems: Sequence[TargetSummary], metrics: Sequence[Metric]) -> list[Metric]:
    """The metrics without surface distances that are undefined everywhere, as they are without MONAI."""

    def is_defined(metric: Metric) -> bool:
        return any((m := s.metric(metric.key)).n_cases + m.n_infinite for s in systems)

    return [m for m in metrics if m.key not in SURFACE_METRICS or is_defined(m)]


def _best(means: Sequence[float], metric: Metric) -> list[int]:
    """Positions of the best mean, ties as shown included; none where all systems are equal."""
    cost = {"higher": lambda v: -v, "lower": lambda v: v, "zero": abs}[metric.better]
    costs = [math.inf if math.isnan(mean) else round(cost(mean), metric.digits) for mean in means]
    least = min(costs, default=math.inf)
    best = [row for row, c in enumerate(costs) if c == least < math.inf]
    return best if len(best) < len(means) else []


def _spread_note(systems: Sequence[TargetSummary]) -> str:
    described = {
        (m.spread_over, len(m.fold_means), m.n_cases + m.n_undefined + m.n_infinite)
        for s in systems
        for m in s.metrics
    }
    parts = [
        f"the means of {n_folds} folds ({n_cases} cases)" if over == "folds" else counted(n_cases, "case")
        for over, n_folds, n_cases in sorted(described)
    ]
    return f"Over {' or '.join(parts)}; undefined and infinite values are left out." if parts else ""


def _range(found: DiameterBin) -> str:
    return f"≥ {found.low_mm:g}" if math.isinf(found.high_mm) else f"{found.low_mm:g}–{found.high_mm:g}"
