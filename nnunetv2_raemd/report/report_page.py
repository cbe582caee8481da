"""The page as HTML: everything inlined, so that it opens anywhere without a request to any host."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from nnunetv2_raemd.evaluation.metrics import RATED_METRICS
from nnunetv2_raemd.evaluation.result_tables import Table
from nnunetv2_raemd.report.calibration_section import CalibrationSection
from nnunetv2_raemd.report.case_panels import CasePanel
from nnunetv2_raemd.report.figure import Plot
from nnunetv2_raemd.report.metric_plots import MetricPlots
from nnunetv2_raemd.report.roles import Look

_ASSETS = resources.files("nnunetv2_raemd.report") / "assets"
_NAME_LENGTH = 21  # of a case in the list of the viewer


@dataclass(frozen=True)
class TargetSection:
    """What the page says about one label or region."""

    name: str
    tables: Sequence[Table]
    metrics: Sequence[MetricPlots]
    froc: Plot | None


@dataclass(frozen=True)
class Page:
    """All parts of a report.

    Attributes:
        title: heading of the page.
        made_on: when the page was made, as text.
        facts: short statements about what the report is about, by name.
        missing: what is not there and why, a sentence each.
        case_names: names of the cases of each system, in the order of the plots' points.
        looks: of the reference and all systems, in the order of their switches.
        ranked: how the cases were chosen, in a sentence.
    """

    title: str
    made_on: str
    facts: Mapping[str, str]
    missing: Sequence[str]
    targets: Sequence[TargetSection]
    calibrations: Sequence[CalibrationSection]
    curves: Plot | None
    cases: Sequence[CasePanel]
    case_names: Mapping[str, Sequence[str]]
    looks: Sequence[Look]
    ranked: str
    settings: Sequence[Table]


def render(page: Page) -> str:
    """The HTML of the page; all texts are escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["embedded"] = _embedded
    environment.filters["shortened"] = _shortened
    environment.globals["metrics"] = RATED_METRICS
    environment.filters["looks"] = lambda looks: [asdict(look) for look in looks]
    template = environment.from_string(_asset("page.html"))
    return template.render(
        page=page,
        style=Markup(_asset("page.css")),
        viewer=Markup(_asset("viewer.js")),
        plots=Markup(_asset("plots.js")),
        plotly=Markup(get_plotlyjs()),
    )


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _shortened(name: str) -> str:
    """The end of a long name: UIDs of one dataset begin alike. (CSS cannot do this in all browsers.)"""
    return name if len(name) <= _NAME_LENGTH else "…" + name[1 - _NAME_LENGTH :]


def _embedded(value: Any) -> Any:
    """JSON for a script element: text that could end the element or open a comment in it is escaped."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))
