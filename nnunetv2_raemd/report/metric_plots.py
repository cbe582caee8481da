"""Box plot and paired plot of one metric over the cases of all systems."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from nnunetv2_raemd.evaluation.case_results import Evaluation, SystemResult
from nnunetv2_raemd.evaluation.metrics import Metric
from nnunetv2_raemd.report.figure import SHARE_AXIS, Plot, as_json, new_figure, plottable
from nnunetv2_raemd.report.roles import Look

_ALL_POINTS = 150  # more of them hide the box: then only outliers are drawn


@dataclass(frozen=True)
class MetricPlots:
    """One metric of one target; `paired` is None for a single system."""

    metric: Metric
    box: Plot
    paired: Plot | None


def metric_plots(
    evaluation: Evaluation,
    target: str,
    metric: Metric,
    *,
    looks: Mapping[str, Look],
    baseline: str | None,
) -> MetricPlots:
    """Both plots.

    Points carry no names of cases: `meta` of each trace names the system whose cases, in order, they are of
    (`case_names`), or of box plots is None for a gap, so that the page holds these names only once.
    """
    systems = [system for system in evaluation.systems if system.cases]
    paired = baseline is not None and len(systems) > 1 and any(s.name == baseline for s in systems)
    return MetricPlots(
        metric,
        _box_plot(systems, target, metric, looks),
        _paired_plot(systems, target, metric, looks, baseline or "") if paired else None,
    )


def case_names(evaluation: Evaluation) -> dict[str, list[str]]:
    """The cases of each system in the order of their points."""
    return {
        system.name: [_case_name(c.case_id, c.fold) for c in system.cases] for system in evaluation.systems
    }


def _case_name(case_id: str, fold: str | None) -> str:
    return case_id if fold is None else f"{case_id} (fold {fold})"


def _range(metric: Metric) -> dict[str, Any]:
    return SHARE_AXIS if metric.is_share else {}


def _box_plot(
    systems: Sequence[SystemResult], target: str, metric: Metric, looks: Mapping[str, Look]
) -> Plot:
    figure = new_figure(
        yaxis={"title": {"text": metric.title}, **_range(metric)},
        showlegend=False,
        height=380,
        boxgap=0.35,
    )
    for system in systems:
        look, values = looks[system.name], list(system.values(target, metric.key).values())
        figure.add_trace(
            go.Box(
                y=plottable(values),
                name=system.name,
                meta={"system": system.name},
                boxpoints="all" if len(values) <= _ALL_POINTS else "outliers",
                boxmean=True,
                jitter=0.5,
                pointpos=0,
                line={"color": look.colour, "width": 1.5},
                fillcolor="rgba(0,0,0,0.04)",
                marker={"color": look.colour, "symbol": look.symbol, "size": 5, "opacity": 0.6},
                hovertemplate="%{text}<br>%{y}<extra></extra>",
                hoveron="boxes+points",
            )
        )
    caption = (
        f"A dot is a case (with more than {_ALL_POINTS} cases, only outliers are drawn). Box: quartiles and "
        "median; dashed line: mean; whiskers: the furthest case within 1.5 interquartile ranges. "
        f"{_counts(systems, target, metric)}"
    )
    return Plot(as_json(figure), caption)


def _paired_plot(
    systems: Sequence[SystemResult], target: str, metric: Metric, looks: Mapping[str, Look], baseline: str
) -> Plot:
    reference = next(system for system in systems if system.name == baseline).values(target, metric.key)
    figure = new_figure(
        xaxis={"title": {"text": f"{metric.title}, {baseline}"}, **_range(metric)},
        yaxis={"title": {"text": f"{metric.title}, other systems"}, **_range(metric)},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        showlegend=True,
        height=380,
    )
    shown: list[float] = []
    counts = []
    for system in systems:
        if system.name == baseline:
            continue
        pairs = [(reference.get(case, math.nan), y) for case, y in system.values(target, metric.key).items()]
        finite = [pair if all(map(math.isfinite, pair)) else (math.nan, math.nan) for pair in pairs]
        _add_pairs(figure, system, finite, looks[system.name])
        kept = [value for pair in finite for value in pair if math.isfinite(value)]
        counts.append(f"{system.name} {len(kept) // 2}")
        shown += kept
    _add_diagonal(figure, [0, 1] if metric.is_share and shown else shown)
    return Plot(as_json(figure), _paired_caption(metric, baseline, counts))


def _add_pairs(
    figure: go.Figure, system: SystemResult, pairs: Sequence[tuple[float, float]], look: Look
) -> None:
    figure.add_trace(
        go.Scatter(
            x=plottable([x for x, _ in pairs]),
            y=plottable([y for _, y in pairs]),
            mode="markers",
            name=system.name,
            meta={"system": system.name},
            marker={"color": look.colour, "symbol": look.symbol, "size": 7, "opacity": 0.75},
            hovertemplate="%{text}<br>%{x} → %{y}<extra></extra>",
        )
    )


def _add_diagonal(figure: go.Figure, values: Sequence[float]) -> None:
    if values:
        ends = plottable([min(values), max(values)])
        line = {"color": "#8E8E93", "dash": "dot", "width": 1}
        figure.add_trace(
            go.Scatter(x=ends, y=ends, mode="lines", line=line, hoverinfo="skip", showlegend=False)
        )


def _paired_caption(metric: Metric, baseline: str, counts: Sequence[str]) -> str:
    better = {
        "higher": "above the dotted line the other system is better",
        "lower": "below the dotted line the other system is better",
        "zero": "nearer to zero is better",
    }.get(metric.better, "")
    return (
        f"A point is a case that both {baseline} and the other system have, with finite values of both; "
        f"{better}. Cases: {', '.join(counts)}."
    )


def _counts(systems: Sequence[SystemResult], target: str, metric: Metric) -> str:
    texts, explained = [], False
    for system in systems:
        values = list(system.values(target, metric.key).values())
        undefined = sum(map(math.isnan, values))
        infinite = sum(map(math.isinf, values))
        left_out = [f"{n} {what}" for n, what in ((undefined, "undefined"), (infinite, "infinite")) if n]
        explained = explained or bool(left_out)
        n = len(values) - undefined - infinite
        texts.append(f"{system.name} {n}" + (f" (left out: {', '.join(left_out)})" if left_out else ""))
    reason = f" {metric.heading} is {metric.undefined}." if explained else ""
    return f"Cases: {', '.join(texts)}.{reason}"
