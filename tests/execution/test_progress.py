"""Progress in a log file: lines that come while the work goes on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from nnunetv2_raemd.execution import progress
from nnunetv2_raemd.execution.progress import LogLines, stages


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lines(*, total: int, seconds_each: float, failed: int = 0, done: int | None = None) -> list[str]:
    clock, text = Clock(), io.StringIO()
    advance = LogLines(Console(file=text, width=40), "Converting", total, clock=clock)
    for index in range(total if done is None else done):
        clock.now += seconds_each
        advance(failed=index < failed)
    return text.getvalue().splitlines()


def test_a_line_at_the_first_and_at_each_tenth() -> None:
    assert [line.split(",")[0] for line in lines(total=200, seconds_each=0.1)] == [
        "Converting 1/200",
        *(f"Converting {n}/200" for n in range(20, 201, 20)),
    ]


def test_quick_work_has_a_line_at_the_first_and_the_last() -> None:
    done = [line.split(",")[0] for line in lines(total=30, seconds_each=0.02)]
    assert done == ["Converting 1/30", "Converting 30/30"]


def test_slow_work_has_a_line_a_minute() -> None:
    """One at the first case, after 25 s, and then one at each third case, the first after a minute."""
    done = [line.split("/")[0] for line in lines(total=1000, seconds_each=25, done=60)]
    assert done == [f"Converting {n}" for n in range(1, 60, 3)]


def test_line_gives_rate_remaining_and_elapsed_time() -> None:
    assert lines(total=100, seconds_each=6, failed=2, done=10)[-1] == (
        "Converting 10/100, 2 failed, 10.0/min, 0:09:00 left, 0:01:00 elapsed"
    )


def test_fast_work_has_its_rate_by_the_second() -> None:
    assert ", 20/s, 0:00:45 left," in lines(total=1000, seconds_each=0.05, done=100)[-1]


def test_rate_forgets_the_cases_that_were_kept() -> None:
    """500 cases kept within a second say nothing about those still to be converted."""
    clock, text = Clock(), io.StringIO()
    advance = LogLines(Console(file=text), "Converting", 1000, clock=clock)
    for index in range(600):
        clock.now += 0.001 if index < 500 else 6
        advance()
    assert ", 10.0/min, 0:40:00 left," in text.getvalue().splitlines()[-1]


def test_output_that_is_no_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal, expected in ((False, "Converting 1/1"), (True, "━")):
        text = io.StringIO()
        console = Console(file=text, force_terminal=terminal, width=120)
        monkeypatch.setattr(progress, "get_console", lambda console=console: console)
        with progress.progress("Converting", 1) as advance:
            advance(failed=True)
        assert expected in text.getvalue() and "1 failed" in text.getvalue()


def test_a_log_names_every_stage_with_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    with stages("Loading") as say:
        say("training, round 1 of 2 [fast]")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "0:00:00 Loading\n0:00:00 training, round 1 of 2 [fast]\n"
