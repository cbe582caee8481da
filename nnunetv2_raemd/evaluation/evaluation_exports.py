"""The files of an evaluation: JSON, CSV for statistics programs, Markdown and LaTeX for papers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nnunetv2_raemd.csv_text import Row, csv_text
from nnunetv2_raemd.evaluation.case_results import CaseResult, Evaluation, FalseLesion, Lesion
from nnunetv2_raemd.evaluation.evaluation_json import save_results
from nnunetv2_raemd.evaluation.markup import latex, markdown
from nnunetv2_raemd.evaluation.metrics import METRICS, PAPER_METRICS
from nnunetv2_raemd.evaluation.result_tables import all_tables, means_table
from nnunetv2_raemd.evaluation.summary import Summary
from nnunetv2_raemd.whole_files import write_text

RESULTS = "evaluation.json"


def write_files(evaluation: Evaluation, summary: Summary, folder: Path) -> None:
    """Write all files of an evaluation to a folder, each whole or not at all.

    Raises:
        UserError: if one cannot be written.
    """
    save_results(evaluation, summary, folder / RESULTS)
    for name, rows in {
        "cases.csv": _cases(evaluation),
        "lesions.csv": _lesions(evaluation),
        "summary.csv": _summaries(summary),
        "comparisons.csv": _comparisons(summary),
        "froc.csv": _frocs(summary),
    }.items():
        write_text(folder / name, csv_text(rows))
    targets = [target.name for target in evaluation.labels.targets]
    write_text(folder / "summary.md", "\n".join(_markdown(summary, target) for target in targets))
    write_text(folder / "summary.tex", "\n".join(_latex(summary, target) for target in targets))


def _all_cases(evaluation: Evaluation) -> Iterator[tuple[str, CaseResult, str]]:
    for target in evaluation.labels.targets:
        for system in evaluation.systems:
            for case in system.cases:
                yield system.name, case, target.name


def _cases(evaluation: Evaluation) -> Iterator[Row]:
    yield ("system", "case", "fold", "target", *(metric.key for metric in METRICS))
    for system, case, target in _all_cases(evaluation):
        numbers = case.targets[target].metrics
        yield (system, case.case_id, case.fold, target, *(numbers[metric.key] for metric in METRICS))


def _lesions(evaluation: Evaluation) -> Iterator[Row]:
    yield (
        *("system", "case", "fold", "target", "kind", "volume_mm3", "diameter_mm"),
        *("centre_z", "centre_y", "centre_x", "detected", "dice", "pieces", "continuity"),
    )
    for system, case, target in _all_cases(evaluation):
        found = case.targets[target]
        for row in (*map(_lesion, found.lesions), *map(_false_lesion, found.false_lesions)):
            yield (system, case.case_id, case.fold, target, *row)


def _lesion(lesion: Lesion) -> Row:
    about = (lesion.volume_mm3, lesion.diameter_mm, *lesion.centre)
    return ("lesion", *about, int(lesion.detected), lesion.dice, lesion.pieces, lesion.continuity)


def _false_lesion(lesion: FalseLesion) -> Row:
    return ("false", lesion.volume_mm3, lesion.diameter_mm, *lesion.centre, None, None, None, None)


def _summaries(summary: Summary) -> Iterator[Row]:
    yield (
        *("system", "target", "metric", "mean", "sd", "spread_over", "median", "ci_low", "ci_high"),
        *("n_cases", "n_undefined", "n_infinite"),
    )
    for found in summary.targets:
        for m in found.metrics:
            yield (
                *(found.system, found.target, m.metric, m.mean, m.sd, m.spread_over, m.median),
                *(m.interval.low, m.interval.high, m.n_cases, m.n_undefined, m.n_infinite),
            )


def _comparisons(summary: Summary) -> Iterator[Row]:
    yield (
        *("system", "against", "target", "metric", "n_pairs", "n_zero", "median_difference"),
        *("statistic", "p", "p_holm", "rank_biserial"),
    )
    for c in summary.comparisons:
        t = c.test
        yield (
            *(c.system, c.against, c.target, c.metric, t.n_pairs, t.n_zero, t.median_difference),
            *(t.statistic, t.p, c.p_holm, t.effect_size),
        )


def _frocs(summary: Summary) -> Iterator[Row]:
    yield ("system", "target", "false_positives_per_scan", "sensitivity", "threshold")
    for found in summary.targets:
        curve = found.lesions.froc
        if curve:
            points = zip(curve.false_positives_per_scan, curve.sensitivity, curve.threshold, strict=True)
            for point in points:
                yield (found.system, found.target, *point)


def _markdown(summary: Summary, target: str) -> str:
    return "\n".join([f"## {target}", "", *(markdown(table) for table in all_tables(summary, target))])


def _latex(summary: Summary, target: str) -> str:
    systems = [found for found in summary.targets if found.target == target]
    label = "tab:" + re.sub(r"\W+", "-", target)
    caption = f"Segmentation of {target}, mean ± SD."
    return latex(means_table(systems, PAPER_METRICS), caption=caption, label=label)
