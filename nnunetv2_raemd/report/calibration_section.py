"""What a model's calibration says: reliability diagrams, risk over coverage, and the figures behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from nnunetv2_raemd.confidence.calibration import LabelCalibration, LabelQuality
from nnunetv2_raemd.confidence.calibration_file import FILE_NAME, load_calibration
from nnunetv2_raemd.confidence.calibration_quality import Reliability, RiskCoverage
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.result_tables import Table
from nnunetv2_raemd.nnunet_files.trained_models import TrainedModel
from nnunetv2_raemd.report.figure import Plot, as_json, new_figure, plottable

_BEFORE, _AFTER = "#E69F00", "#0072B2"  # Okabe and Ito's, with dashes beside them


@dataclass(frozen=True)
class CalibrationSection:
    """One label of one model.

    Attributes:
        title: of the section.
    """

    title: str
    table: Table
    lesions: Plot
    voxels: Plot
    risk: Plot


def calibration_sections(models: Sequence[TrainedModel]) -> tuple[list[CalibrationSection], list[str]]:
    """The sections of all models that are calibrated, and which calibrations cannot be read."""
    sections, missing = [], []
    for model in models:
        file = model.folder / FILE_NAME
        if not file.is_file():
            continue
        try:
            labels = load_calibration(file).labels
        except UserError as error:
            missing.append(f"{model.name}: {error}.")
            continue
        sections += [_section(model.name, label, label.quality) for label in labels if label.quality]
    return sections, missing


def _section(model: str, label: LabelCalibration, quality: LabelQuality) -> CalibrationSection:
    lesions = {"maximum probability": quality.uncalibrated, "confidence": quality.lesions}
    voxels = {"as they are": quality.unscaled, f"at temperature {label.temperature:.2f}": quality.voxels}
    risks = {"maximum probability": quality.uncalibrated_risk, "confidence": quality.risk}
    n_lesions = label.model.n_real + label.model.n_false
    return CalibrationSection(
        f"{model}: {label.target.name}",
        _table(lesions, voxels, risks, label),
        _reliability(
            lesions,
            f"Lesions: share that is real, by what was said of them, in tenths ({n_lesions} lesions). Each "
            "was rated by a model that was fitted without its fold.",
        ),
        _reliability(
            voxels,
            "Voxels of at least 0.01: share within the label, by their probability, in tenths. Each fold is "
            "shown at the temperature of the others.",
        ),
        _risk(risks),
    )


def _table(
    lesions: Mapping[str, Reliability],
    voxels: Mapping[str, Reliability],
    risks: Mapping[str, RiskCoverage],
    label: LabelCalibration,
) -> Table:
    rows = [
        (f"Lesions: {name}", f"{found.ece:.3f}", f"{found.brier:.3f}", f"{risks[name].area:.3f}")
        for name, found in lesions.items()
    ]
    rows += [
        (f"Voxels: {name}", f"{found.ece:.3f}", f"{found.brier:.3f}", "–") for name, found in voxels.items()
    ]
    note = (
        "ECE: expected calibration error. Lower is better everywhere. "
        f"{label.model.n_real} predicted lesions were real, {label.model.n_false} false."
    )
    return Table("Calibration", ("", "ECE", "Brier", "Area under risk-coverage"), tuple(rows), note)


def _reliability(curves: Mapping[str, Reliability], caption: str) -> Plot:
    figure = new_figure(
        xaxis={"title": {"text": "Said"}, "range": [0, 1.02]},
        yaxis={"title": {"text": "Came true"}, "range": [0, 1.02]},
        legend={"x": 0.02, "y": 0.98},
        showlegend=True,
        height=420,
    )
    figure.add_trace(
        go.Scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            name="perfect",
            line={"color": "#8E8E93", "dash": "dot", "width": 1},
        )
    )
    for (name, found), (colour, dash) in zip(
        curves.items(), ((_BEFORE, "dash"), (_AFTER, "solid")), strict=True
    ):
        figure.add_trace(
            go.Scatter(
                x=plottable(found.mean_probability),
                y=plottable(found.share_true),
                text=[f"{n}" for n in found.counts],
                hovertemplate="%{y:.3f} of %{text}, said %{x:.3f}",
                mode="lines+markers",
                connectgaps=True,
                name=f"{name} (ECE {found.ece:.3f})",
                line={"color": colour, "dash": dash, "width": 2},
            )
        )
    return Plot(as_json(figure), caption)


def _risk(curves: Mapping[str, RiskCoverage]) -> Plot:
    figure = new_figure(
        xaxis={
            "title": {"text": "Coverage: share of lesions kept, the most confident first"},
            "range": [0, 1.02],
        },
        yaxis={"title": {"text": "Risk: share of these that is false"}, "range": [0, 1.02]},
        legend={"x": 0.02, "y": 0.98},
        showlegend=True,
        height=420,
    )
    for (name, found), (colour, dash) in zip(
        curves.items(), ((_BEFORE, "dash"), (_AFTER, "solid")), strict=True
    ):
        figure.add_trace(
            go.Scatter(
                x=plottable(found.coverage),
                y=plottable(found.risk),
                mode="lines",
                name=f"{name} (area {found.area:.3f})",
                line={"color": colour, "dash": dash, "width": 2},
            )
        )
    return Plot(as_json(figure), "What is left false when only the most confident lesions are kept.")
