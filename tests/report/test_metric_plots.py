"""The points of box and paired plots, and what their captions leave out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from nnunetv2_raemd.evaluation.case_results import CaseResult, Evaluation, SystemResult, TargetResult
from nnunetv2_raemd.evaluation.froc import froc_curve
from nnunetv2_raemd.evaluation.metrics import BY_KEY
from nnunetv2_raemd.evaluation.summary import LesionSummary, TargetSummary
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.report.froc_plot import froc_plot
from nnunetv2_raemd.report.metric_plots import MetricPlots, case_names, metric_plots
from nnunetv2_raemd.report.roles import looks_of


def system(name: str, values: dict[str, float]) -> SystemResult:
    cases = tuple(
        CaseResult(
            case, "1", Path(), Path(), (1, 1, 1), (1, 1, 1), {"t": TargetResult({"hd95_mm": v}, (), ())}
        )
        for case, v in values.items()
    )
    return SystemResult(name, cases)


A = system("a", {"x": 1.0, "y": math.inf, "z": 3.0})
B = system("b", {"z": 2.0, "y": 5.0, "w": 7.0, "v": math.nan})


def plots_of(*systems: SystemResult, baseline: str | None = "a") -> MetricPlots:
    evaluation = Evaluation(LabelSet((Target("t", (1,)),)), systems)
    looks = looks_of([s.name for s in systems], baseline)
    return metric_plots(evaluation, "t", BY_KEY["hd95_mm"], looks=looks, baseline=baseline)


def test_boxes_hold_every_finite_value_in_order() -> None:
    box = plots_of(A, B).box
    assert [trace["y"] for trace in json.loads(box.figure)["data"]] == [[1, None, 3], [2, 5, 7, None]]
    assert "a 2 (left out: 1 infinite), b 3 (left out: 1 undefined)" in box.caption
    assert "infinite where one of them is" in box.caption


def test_points_can_be_named() -> None:
    names = case_names(Evaluation(LabelSet(()), (A, B)))
    assert names["a"] == ["x (fold 1)", "y (fold 1)", "z (fold 1)"]
    for trace in json.loads(plots_of(A, B).box.figure)["data"]:
        assert len(names[trace["meta"]["system"]]) == len(trace["y"])


def test_pairs_are_of_the_same_case() -> None:
    paired = plots_of(A, B).paired
    assert paired is not None
    points, diagonal = json.loads(paired.figure)["data"]
    assert list(zip(points["x"], points["y"], strict=True)) == [(3, 2), *[(None, None)] * 3]
    assert diagonal["x"] == diagonal["y"] == [2, 3]
    assert (
        "Cases: b 1." in paired.caption
        and "below the dotted line the other system is better" in paired.caption
    )


def test_no_pairs_without_a_second_system_or_the_baseline() -> None:
    assert plots_of(A).paired is None
    assert plots_of(A, B, baseline=None).paired is None


def test_froc_curves_of_the_systems_that_have_them() -> None:
    curve = froc_curve([0.9, 0.4], [0.5], n_lesions=2, n_scans=1)
    lesions: dict[str, Any] = {"n_scans": 1, "n_lesions": 2, "n_detected": 2, "n_false": 1, "by_diameter": ()}
    numbers: dict[str, Any] = dict.fromkeys(("precision", "f1", "dice", "one_piece", "continuity"), 1.0)
    found = [
        TargetSummary("a", "t", (), LesionSummary(**lesions, **numbers, froc=curve)),
        TargetSummary("b", "t", (), LesionSummary(**lesions, **numbers, froc=None)),
    ]
    plot = froc_plot(found, looks_of(["a", "b"], "a"))
    assert plot is not None
    (trace,) = json.loads(plot.figure)["data"]
    assert (trace["x"], trace["y"]) == ([0.01, 0.01, 1, 1], [0, 0.5, 0.5, 1])  # log(0) would not be drawn
    assert "a 2 in 1 scan." in plot.caption
    assert froc_plot(found[1:], looks_of(["b"], None)) is None
