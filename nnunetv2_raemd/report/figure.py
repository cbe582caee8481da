"""What all plots of a report have in common."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

_DIGITS = 6
_AXIS = {
    "gridcolor": "#E5E5EA",
    "zerolinecolor": "#C7C7CC",
    "linecolor": "#8E8E93",
    "ticks": "outside",
    "automargin": True,
}


SHARE_AXIS: dict[str, Any] = {"range": [-0.02, 1.02], "tickvals": [0, 0.2, 0.4, 0.6, 0.8, 1]}
"""For what lies between 0 and 1: the same in all plots, with room for the points at its ends."""


@dataclass(frozen=True)
class Plot:
    """A figure as Plotly's JSON, and what is to be said below it."""

    figure: str
    caption: str


def new_figure(**layout: Any) -> go.Figure:
    """An empty figure in the page's style."""
    figure = go.Figure()
    style(figure, **layout)
    return figure


def style(figure: go.Figure, **layout: Any) -> None:
    """Give a figure the page's style."""
    figure.update_layout(
        template=go.layout.Template(),  # Plotly's own would add kilobytes to each figure
        font={"family": "system-ui, sans-serif", "size": 13, "color": "#1C1C1E"},
        paper_bgcolor="#FFFFFF",
        plot_bgcolor="#FFFFFF",
        margin={"l": 64, "r": 16, "t": 36, "b": 48},
        **layout,
    )
    figure.update_xaxes(**_AXIS)
    figure.update_yaxes(**_AXIS)


def as_json(figure: go.Figure) -> str:
    """The figure for `Plotly.newPlot`."""
    return json.dumps(figure.to_plotly_json(), separators=(",", ":"), allow_nan=False)


def plottable(values: Sequence[float]) -> list[float | None]:
    """Numbers with as many digits as can be seen; what is not finite becomes a gap."""
    return [float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None for value in values]
