"""Tables in a terminal of usual width, and in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from nnunetv2_raemd.evaluation.evaluation_terminal import print_table
from nnunetv2_raemd.evaluation.result_tables import Table
from nnunetv2_raemd.evaluation.table_width import fitted, renamed, short_names

NAMES = ("nnUNetTrainerRAEMD", "nnUNetTrainerUNet")
HEADINGS = ("System", "Dice", "IoU", "Precision", "Recall", "F1", "FPR", "HD95 (mm)", "ASSD (mm)")
CELLS = tuple(f"0.{column}12 ± 0.031" for column in range(1, 9))
TABLE = Table("Mean", HEADINGS, tuple((name, *CELLS) for name in NAMES), "A note.", frozenset({(1, 8)}))


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["nnUNetTrainerRAEMD", "nnUNetTrainerUNet"], ["RAEMD", "UNet"]),
        (["nnUNetTrainerRAEMD_5epochs", "nnUNetTrainerRAEMD_50epochs"], ["5epochs", "50epochs"]),
        (["nnUNetTrainerA__nnUNetPlans__2d", "nnUNetTrainerB__nnUNetPlans__2d"], ["A", "B"]),
        (["nnUNetTrainer__P__2d", "nnUNetTrainer__P__3d_fullres"], ["2d", "3d_fullres"]),
    ],
)
def test_names_without_what_they_share(names: list[str], short: list[str]) -> None:
    assert list(short_names(names).values()) == short


@pytest.mark.parametrize(
    "names",
    [
        ["nnUNetTrainerRAEMD"],
        ["nnUNetTrainer", "nnUNetTrainerRAEMD"],
        ["nnUNetTrainer__nnUNetPlans__2d", "nnUNetTrainerRAEMD__nnUNetPlans__3d_fullres"],
        ["carrot", "cabbage"],
    ],
)
def test_names_stay_whole_where_nothing_readable_would_be_left(names: list[str]) -> None:
    assert list(short_names(names).values()) == names


def test_only_systems_that_have_a_shorter_name_get_it() -> None:
    found = renamed(TABLE, {NAMES[0]: "RAEMD"})
    assert [row[0] for row in found.rows] == ["RAEMD", NAMES[1]]
    assert [row[1:] for row in found.rows] == [CELLS, CELLS]


@pytest.mark.parametrize("width", [30, 60, 80, 200, 10_000])
def test_parts_fit_and_hold_every_cell_once(width: int) -> None:
    parts = list(fitted(TABLE, width))
    assert [h for part in parts for h in part.headings[1:]] == list(HEADINGS[1:])
    for row, name in enumerate(NAMES):
        assert all(part.rows[row][0] == name for part in parts)
        assert tuple(cell for part in parts for cell in part.rows[row][1:]) == CELLS
    stressed = [(part.headings[c], r) for part in parts for r, c in part.bold]
    assert stressed == [("ASSD (mm)", 1)]
    for part in parts:
        lengths = [max(map(len, column)) for column in zip(part.headings, *part.rows, strict=True)]
        assert sum(lengths) + 2 * (len(lengths) - 1) <= max(width, 18 + 2 + 13)
    assert (len(parts) == 1) == (width >= 200)


def test_a_table_that_just_fits_stays_whole() -> None:
    widths = [max(map(len, column)) for column in zip(TABLE.headings, *TABLE.rows, strict=True)]
    full = sum(widths) + 2 * (len(widths) - 1)  # two blanks between columns
    assert [len(list(fitted(TABLE, width))) for width in (full, full - 1)] == [1, 2]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_nothing_is_cut_at_80_columns_nor_in_a_log(is_terminal: bool) -> None:
    out = io.StringIO()
    print_table(Console(file=out, width=80, force_terminal=is_terminal, no_color=True), TABLE, "nodule: Mean")
    lines = out.getvalue().splitlines()
    for text in (*HEADINGS, *CELLS, "RAEMD", "UNet", "A note."):
        assert text in out.getvalue()
    assert "…" not in out.getvalue()
    log_lines = [line for line in lines if line.startswith("RAEMD")]
    assert len(log_lines) == (2 if is_terminal else 1)
