"""The tables as text, Markdown and LaTeX."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nnunetv2_raemd.evaluation.markup import latex, markdown
from nnunetv2_raemd.evaluation.metrics import BY_KEY, PAPER_METRICS, RATED_METRICS
from nnunetv2_raemd.evaluation.result_tables import (
    Table,
    all_tables,
    comparisons_table,
    diameters_table,
    lesions_table,
    means_table,
    number,
    p_value,
)
from nnunetv2_raemd.evaluation.statistics import Interval, PairedTest
from nnunetv2_raemd.evaluation.summary import (
    Comparison,
    DiameterBin,
    LesionSummary,
    MetricSummary,
    Summary,
    TargetSummary,
)

COLUMNS = (BY_KEY["dice"], BY_KEY["hd95_mm"])


def system(name: str, dice: float, hd95_mm: float) -> TargetSummary:
    given = {"dice": dice, "hd95_mm": hd95_mm}
    metrics = tuple(
        MetricSummary(
            m.key,
            given.get(m.key, 0.0),
            0.0125,
            "folds",
            0.5,
            Interval(0.25, 0.75),
            10,
            0,
            0,
            (("0", 1), ("1", 1)),
        )
        for m in RATED_METRICS
    )
    bins = (DiameterBin(0, 6, 4, 3), DiameterBin(6, math.inf, 0, 0))
    lesions = LesionSummary(10, 4, 3, 2, 0.6, 0.7, 0.8, 1.0, math.nan, bins, None)
    return TargetSummary(name, "nodule", metrics, lesions)


SYSTEMS = [system("A_1", 0.7, 5), system("B", 0.8, 4)]


def test_means_with_the_best_in_bold() -> None:
    table = means_table(SYSTEMS, COLUMNS)
    assert table.headings == ("System", "Dice", "HD95 (mm)")
    assert table.rows == (("A_1", "0.700 ± 0.013", "5.00 ± 0.01"), ("B", "0.800 ± 0.013", "4.00 ± 0.01"))
    assert table.bold == {(1, 1), (1, 2)}
    assert table.note.startswith("Over the means of 2 folds (10 cases)")


def test_no_metric_is_in_two_tables_of_means_and_none_in_neither() -> None:
    paper, further = all_tables(Summary(tuple(SYSTEMS), (), None), "nodule")[:2]
    assert (paper.title, further.title) == ("Mean ± SD", "Further metrics, mean ± SD")
    named = [heading.partition(" (")[0] for table in (paper, further) for heading in table.headings[1:]]
    assert len(paper.headings) == 1 + len(PAPER_METRICS)
    assert sorted(named) == sorted(metric.heading for metric in RATED_METRICS)


def test_cases_that_are_left_out_of_a_mean_are_counted_as_cases() -> None:
    """7 of 10: two are undefined, one is infinite."""
    some = replace(SYSTEMS[0].metrics[0], n_cases=7, n_undefined=2, n_infinite=1)
    found = replace(SYSTEMS[0], metrics=(some, *SYSTEMS[0].metrics[1:]))
    assert means_table([found, SYSTEMS[1]], COLUMNS).note.startswith("Over the means of 2 folds (10 cases);")


def test_figures_are_shown_as_finely_as_they_are_known() -> None:
    """Shares to a thousandth, those of the background to a millionth, mm and ml to a hundredth."""
    digits = {metric.key: metric.digits for metric in RATED_METRICS}
    assert {key for key, n in digits.items() if n == 6} == {"fpr", "specificity"}
    assert {key for key, n in digits.items() if n == 2} == {
        *("hd95_mm", "assd_mm", "volume_error_ml", "absolute_volume_error_ml", "false_lesions")
    }
    assert set(digits.values()) == {2, 3, 6}


def test_means_that_look_the_same_are_all_best_unless_no_system_is_worse() -> None:
    tied = [system("A", 0.70001, 5), system("B", 0.7, math.nan)]
    assert means_table(tied, COLUMNS).bold == {(0, 2)}
    assert means_table([*tied, system("C", 0.6, 6)], COLUMNS).bold == {(0, 1), (1, 1), (0, 2)}
    assert means_table(SYSTEMS[:1], COLUMNS).bold == frozenset()


def test_markdown() -> None:
    lines = markdown(means_table(SYSTEMS, COLUMNS)).splitlines()
    assert lines[2:6] == [
        "| System | Dice | HD95 (mm) |",
        "| --- | ---: | ---: |",
        "| A_1 | 0.700 ± 0.013 | 5.00 ± 0.01 |",
        "| B | **0.800 ± 0.013** | **4.00 ± 0.01** |",
    ]


def test_latex() -> None:
    text = latex(means_table(SYSTEMS, COLUMNS), caption="50 % of nodule_1.", label="tab:nodule")
    lines = [line.strip() for line in text.splitlines()]
    first = lines.index(r"A\_1 & 0.700 & 5.00 \\")
    assert lines[first + 1 : first + 5] == [
        r"& \scriptsize $\pm$ 0.013 & \scriptsize $\pm$ 0.01 \\",
        r"\addlinespace[3pt]",
        r"B & \textbf{0.800} & \textbf{4.00} \\",
        r"& \scriptsize $\pm$ 0.013 & \scriptsize $\pm$ 0.01 \\",
    ]
    assert r"\caption{50 \% of nodule\_1. Over" in text
    for part in (
        r"\toprule",
        r"\midrule",
        r"\bottomrule",
        r"\begin{tabular}{@{}lrr@{}}",
        r"\label{tab:nodule}",
    ):
        assert part in text
    assert text.isascii()


def test_latex_of_one_fold_has_one_line_a_system() -> None:
    table = Table(
        "", ("System", "Dice"), (("nnUNetTrainerA__nnUNetPlans__2d", "0.7"), ("nnUNetTrainer", "–"))
    )
    text = latex(table, caption="", label="tab:a")
    assert [line.strip() for line in text.splitlines() if "&" in line][1:] == [
        r"A & 0.7 \\",
        r"\scriptsize 2d &  \\",
        r"nnUNetTrainer & -- \\",
    ]


@pytest.fixture
def log_of_latex(tmp_path: Path) -> Callable[[str], str]:
    """What pdflatex says of a document that holds the table."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    found = subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip("LaTeX has no booktabs here")

    def compiled(table: str) -> str:
        source = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{table}\end{{document}}"
        (tmp_path / "t.tex").write_text(source, encoding="utf-8")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        return (tmp_path / "t.log").read_text(encoding="utf-8", errors="replace")

    return compiled


def test_latex_compiles(log_of_latex: Callable[[str], str]) -> None:
    log_of_latex(latex(means_table(SYSTEMS, COLUMNS), caption="50 % of nodule_1 {~^}", label="tab:nodule"))


def test_the_papers_table_fits_on_a_page(log_of_latex: Callable[[str], str]) -> None:
    names = ("nnUNetTrainerRAEMD", "nnUNetTrainerAttentionUNet", "nnUNetTrainer__nnUNetPlans__3d_fullres")
    systems = [system(name, 0.8, 112.34) for name in names]
    table = latex(means_table(systems, PAPER_METRICS), caption="Segmentation of nodule.", label="tab:n")
    assert "Overfull" not in log_of_latex(table)


def test_lesions_of_all_cases() -> None:
    table = lesions_table(SYSTEMS[:1])
    assert dict(zip(table.headings, table.rows[0], strict=True)) == {
        "System": "A_1",
        "Lesions": "4",
        "Detected": "3",
        "Sensitivity": "0.750",
        "Precision": "0.600",
        "F1": "0.700",
        "False per scan": "0.20",
        "Dice of detected": "0.800",
        "In one piece": "1.000",
        "Slice continuity": number(math.nan),
    }


def test_diameters() -> None:
    table = diameters_table(SYSTEMS)
    assert table.headings == ("System", "0–6 mm", "≥ 6 mm")
    assert table.rows[0] == ("A_1", "0.750 (3/4)", "–")


def test_comparisons() -> None:
    test = PairedTest(10, 1, 3.0, 0.0004, -0.25, -0.9)
    table = comparisons_table([Comparison("A", "B", "nodule", "hd95_mm", test, 0.0412)])
    assert table.title == "Against B"
    assert table.rows == (("A", "HD95 (mm)", "10", "-0.25", "<0.001", "0.041", "-0.90"),)


def test_a_target_has_its_own_comparisons_only() -> None:
    test = PairedTest(10, 1, 3.0, 0.0004, -0.25, -0.9)
    both = tuple(
        Comparison("A_1", "B", target, metric, test, 0.04)
        for target, metric in (("nodule", "hd95_mm"), ("vessel", "dice"))
    )
    *_, comparisons = all_tables(Summary(tuple(SYSTEMS), both, "B"), "nodule")
    assert [row[:2] for row in comparisons.rows] == [("A_1", "HD95 (mm)")]


def test_numbers() -> None:
    assert [number(math.nan), number(math.inf), number(-math.inf), number(1.23456, 2)] == [
        "–",
        "∞",
        "-∞",
        "1.23",
    ]
    assert [p_value(0.0009), p_value(0.001), p_value(math.nan)] == ["<0.001", "0.001", "–"]
