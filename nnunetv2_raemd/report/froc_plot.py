"""The FROC curves of all systems that have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.evaluation.froc import LUNA16_RATES
from nnunetv2_raemd.evaluation.summary import TargetSummary
from nnunetv2_raemd.report.figure import Plot, as_json, new_figure, plottable
from nnunetv2_raemd.report.roles import Look

_LEAST_RATE = 0.01  # left of what is shown: a logarithmic axis has no place for none


def froc_plot(summaries: Sequence[TargetSummary], looks: Mapping[str, Look]) -> Plot | None:
    """Sensitivity over false positives per scan; None where no probability maps were evaluated."""
    curves = [(found.system, found.lesions.froc) for found in summaries if found.lesions.froc]
    if not curves:
        return None
    figure = new_figure(
        xaxis={
            "title": {"text": "False positives per scan"},
            "type": "log",
            "tickvals": list(LUNA16_RATES),
            "ticktext": ["1/8", "1/4", "1/2", "1", "2", "4", "8"],
            "range": [-1.0, 1.0],
        },
        yaxis={"title": {"text": "Lesion sensitivity"}, "range": [0, 1.02]},
        legend={"x": 0.98, "xanchor": "right", "y": 0.04, "yanchor": "bottom"},
        showlegend=True,
        height=420,
    )
    for name, curve in curves:
        look = looks[name]
        figure.add_trace(
            go.Scatter(
                x=plottable([max(rate, _LEAST_RATE) for rate in curve.false_positives_per_scan]),
                y=plottable(curve.sensitivity),
                mode="lines",
                name=f"{name} (CPM {curve.cpm:.3f})",
                line={"color": look.colour, "dash": look.dash, "width": 2},
            )
        )
    counts = ", ".join(
        f"{name} {curve.n_lesions} in {counted(curve.n_scans, 'scan')}" for name, curve in curves
    )
    caption = (
        f"Lesions: {counts}. CPM: mean sensitivity at the seven marked rates. No interval is drawn: "
        "one curve is one set of scans. Beyond its end a curve counts with its last sensitivity."
    )
    return Plot(as_json(figure), caption)
