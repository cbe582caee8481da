"""CSV in which no text of the data is run as a formula."""

from __future__ import annotations

import csv
import io

import pytest

from nnunetv2_raemd.csv_text import as_written, csv_of_records, csv_text


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-cmd", "@SUM(A1)", "\tx", "'=1", '=HYPERLINK("x","y")'])
def test_text_that_spreadsheets_run_is_quoted_and_read_back(text: str) -> None:
    ((cell, other),) = csv.reader(io.StringIO(csv_text([(text, "plain")])))
    assert cell == "'" + text and as_written(cell) == text and other == as_written(other) == "plain"


def test_numbers_stay_numbers() -> None:
    assert csv_text([(-1.5, -2, "-1.5", "+3", None, "")]) == "-1.5,-2,-1.5,+3,,\n"


def test_apostrophe_of_a_name_is_not_taken_for_ours() -> None:
    ((cell,),) = csv.reader(io.StringIO(csv_text([("'t Hooft",)])))
    assert cell == as_written(cell) == "'t Hooft"


def test_records_with_different_keys() -> None:
    assert csv_of_records([{"a": 1}, {"b": "=x", "a": 2}]) == "a,b\n1,\n2,'=x\n"
