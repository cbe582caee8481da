"""How far the prediction of a scan is."""

from __future__ import annotations

import pytest

from nnunetv2_raemd.prediction.slice_progress import TenthLines, slice_progress


def test_a_line_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = iter(range(0, 1000, 2))
    lines = TenthLines(40, clock=lambda: next(seconds))
    for _ in range(20):
        lines(2)
    assert capsys.readouterr().out.split("\n") == [f"  {n} %" for n in range(10, 101, 10)] + [""]


@pytest.mark.parametrize(("seconds", "shown"), [(1.0, "  50 %\n"), (0.99, "")])
def test_lines_are_a_second_apart(capsys: pytest.CaptureFixture[str], seconds: float, shown: str) -> None:
    lines = TenthLines(2, clock=iter([0.0, seconds, seconds]).__next__)
    lines(1)
    assert capsys.readouterr().out == shown


def test_what_takes_no_time_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with slice_progress(10, bar=False, lines=True) as advance:
        advance(10)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("lines", "shown"), [(True, "  100 %\n"), (False, "")])
def test_programs_get_no_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, lines: bool, shown: str
) -> None:
    monkeypatch.setattr("nnunetv2_raemd.prediction.slice_progress._LINES_APART_S", 0.0)
    with slice_progress(10, bar=False, lines=lines) as advance:
        advance(10)
    assert capsys.readouterr().out == shown


def test_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with slice_progress(10, bar=True, lines=True) as advance:
        advance(10)
    assert "10/10" in capsys.readouterr().err
