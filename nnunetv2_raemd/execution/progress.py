"""How far a long piece of work is: a bar in a terminal, now and then a line in a log file."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from rich import get_console
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_LINE_EVERY_S = 60.0
_LINES = 10  # a line each tenth of the work
_LINES_APART_S = 1.0  # of work that takes seconds, not every tenth is news
_SHOW_PER_SECOND = 10  # rates from here on are given a second, slower ones a minute
# The rate is that of the last so many pieces, and at least of so many seconds: cases kept from an earlier run
# go by in no time, and results may come many at once.
_RATE_OVER = 50
_RATE_OVER_S = 10.0


class Advance(Protocol):
    """Called after each piece of work."""

    def __call__(self, *, failed: bool = False) -> None: ...


@contextmanager
def progress(title: str, total: int) -> Iterator[Advance]:
    """Show the progress of `total` pieces of work with the rate and the time that is left.

    Where output is no terminal, a bar would appear at the end only: there, lines are printed.
    """
    console = get_console()
    if not console.is_terminal:
        yield LogLines(console, title, total)
        return
    with _bar(console) as bar:
        task = bar.add_task(title, total=total, failed=0)

        def advance(*, failed: bool = False) -> None:
            bar.update(task, advance=1, failed=bar.tasks[0].fields["failed"] + failed)

        yield advance


@contextmanager
def stages(first: str) -> Iterator[Callable[[str], None]]:
    """Show which stage a long piece of work is at; called with the name of each stage that begins.

    On standard error: one line that changes, or, where that is no terminal, a line for every stage, so that a
    log says how far a job came.
    """
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    if console.is_terminal:
        with console.status(first) as status:
            yield status.update
        return
    started = time.monotonic()

    def say(stage: str) -> None:
        console.print(f"{_clock_face(time.monotonic() - started)} {stage}")

    say(first)
    yield say


class LogLines:
    """Prints a line at the first and last piece of work, at each tenth of long work, and once a minute."""

    def __init__(
        self, console: Console, title: str, total: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console, self._title, self._total, self._clock = console, title, total, clock
        self._done = self._failed = 0
        self._started = self._printed = clock()
        self._recent = deque([self._started])

    def __call__(self, *, failed: bool = False) -> None:
        tenths_before = self._done * _LINES // self._total
        self._done += 1
        self._failed += failed
        now = self._clock()
        self._recent.append(now)
        while len(self._recent) > _RATE_OVER and now - self._recent[1] > _RATE_OVER_S:
            self._recent.popleft()
        passed_tenth = self._done * _LINES // self._total > tenths_before
        quiet_s = now - self._printed
        is_news = (passed_tenth and quiet_s >= _LINES_APART_S) or quiet_s >= _LINE_EVERY_S
        if is_news or self._done in (1, self._total):
            self._printed = now
            self._console.print(self._line(now), highlight=False, markup=False, soft_wrap=True)

    def _line(self, now: float) -> str:
        text = f"{self._title} {self._done}/{self._total}, {self._failed} failed"
        seconds = self._recent[-1] - self._recent[0]
        if seconds > 0 and (self._done > 1 or self._total == 1):  # the first waits for workers to start
            per_s = (len(self._recent) - 1) / seconds
            text += f", {_rate(per_s)}, {_clock_face((self._total - self._done) / per_s)} left"
        return f"{text}, {_clock_face(now - self._started)} elapsed"


def _clock_face(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _rate(per_s: float) -> str:
    return f"{per_s:.0f}/s" if per_s >= _SHOW_PER_SECOND else f"{60 * per_s:.1f}/min"


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if not task.speed else _rate(task.speed))


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        _RateColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
