"""Loss, Dice, IoU, F1 and learning rate over epochs, all trainings together (the paper's figures 6, 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from nnunetv2_raemd.report.figure import SHARE_AXIS, Plot, as_json, plottable, style
from nnunetv2_raemd.report.roles import Look
from nnunetv2_raemd.report.training_log import QUANTITIES, TrainingLog
from nnunetv2_raemd.training.overlap_log import MEAN_F1, MEAN_IOU

_COLUMNS = 3
_SHARES = {"mean_fg_dice", MEAN_IOU, MEAN_F1}


def training_curves(logs: Mapping[str, Sequence[TrainingLog]], looks: Mapping[str, Look]) -> Plot | None:
    """One panel a quantity; None without any log."""
    if not any(logs.values()):
        return None
    figure = make_subplots(
        rows=-(-len(QUANTITIES) // _COLUMNS),
        cols=_COLUMNS,
        subplot_titles=list(QUANTITIES.values()),
        horizontal_spacing=0.06,
        vertical_spacing=0.13,
    )
    style(figure, height=660, showlegend=True, legend={"orientation": "h", "y": 1.08, "yanchor": "bottom"})
    figure.update_layout(margin={"l": 48, "t": 90})
    for name, folds in logs.items():
        in_legend = True
        for i, key in enumerate(QUANTITIES):
            curves = [log.curves[key] for log in folds if key in log.curves]
            for trace in _traces(curves, looks[name], in_legend=in_legend):
                figure.add_trace(trace, row=i // _COLUMNS + 1, col=i % _COLUMNS + 1)
            in_legend = in_legend and not curves
    figure.update_xaxes(tickformat="d", dtick=_epochs_per_tick(logs))
    figure.update_xaxes(title={"text": "Epoch", "standoff": 4}, row=2)
    for i, key in enumerate(QUANTITIES):
        if key in _SHARES:
            figure.update_yaxes(**SHARE_AXIS, row=i // _COLUMNS + 1, col=i % _COLUMNS + 1)
    figure.update_yaxes(type="log", dtick="D2", exponentformat="e", row=2, col=3)
    return Plot(as_json(figure), _caption(logs))


def _epochs_per_tick(logs: Mapping[str, Sequence[TrainingLog]]) -> int:
    """A whole number of epochs: 1, 2 or 5 times a power of ten, for at most ten ticks."""
    longest = max(log.n_epochs for folds in logs.values() for log in folds)
    steps = (factor * 10**power for power in range(7) for factor in (1, 2, 5))
    return next(step for step in steps if longest <= 10 * step)


def _traces(curves: Sequence[Sequence[float]], look: Look, *, in_legend: bool) -> list[go.Scatter]:
    """A thin line a fold, and their mean over the epochs that all of them have."""
    thin = [_line(curve, look, width=1, opacity=0.35) for curve in curves] if len(curves) > 1 else []
    if not curves:
        return thin
    mean = [sum(values) / len(curves) for values in zip(*curves, strict=False)]
    return [*thin, _line(mean, look, width=2.2, opacity=1, in_legend=in_legend)]


def _line(
    curve: Sequence[float], look: Look, *, width: float, opacity: float, in_legend: bool = False
) -> go.Scatter:
    return go.Scatter(
        x0=0,
        dx=1,
        y=plottable(curve),
        mode="lines" if len(curve) > 1 else "markers",
        name=look.name,
        legendgroup=look.name,
        showlegend=in_legend,
        opacity=opacity,
        line={"color": look.colour, "dash": look.dash, "width": width},
        hoverinfo="skip" if opacity < 1 else None,
    )


def _caption(logs: Mapping[str, Sequence[TrainingLog]]) -> str:
    counts = ", ".join(f"{name} {len(folds)}" for name, folds in logs.items())
    return (
        "Losses of different trainers need not be of the same kind. Dice, IoU and F1 are nnU-Net's "
        "estimates on random validation patches, not on whole scans; of the same voxels F1 is Dice, and IoU "
        "follows from it. Thick: mean of the folds over the epochs that all of them have; thin: each fold "
        f"(where there are several). Folds: {counts}."
    )
