"""Worker processes of this machine: what they give back, and one that dies."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from rich.console import Console

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution import progress
from nnunetv2_raemd.execution.local_processes import LocalProcesses, process_map
from nnunetv2_raemd.execution.tracked import run_tracked

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="os._exit of a worker is POSIX's")
DEADLY = -1


def square(number: int) -> int:
    if number == DEADLY:
        os._exit(9)  # as the system's out-of-memory killer
    return number * number


@dataclass(frozen=True)
class Squares:
    """Squares as text, so that what was given up is told from them."""

    def __call__(self, number: int, /) -> str:
        return str(square(number))

    def sees(self, _: int, /) -> Mapping[str, object]:
        return {}

    def gave_up(self, number: int, reason: str, /) -> str:
        return f"{number}: {reason}"


def set_up() -> None:
    os.environ["RAEMD_TEST_SET_UP"] = "yes"


@dataclass(frozen=True)
class WhereItRuns(Squares):
    def __call__(self, _: int, /) -> str:
        return os.environ.get("RAEMD_TEST_SET_UP", "no")


def given_up(result: str) -> bool:
    return ":" in result


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    backend = LocalProcesses(workers)
    found = run_tracked("Squaring", Squares(), range(9, 0, -1), backend=backend, failed=given_up)
    assert found == [str(n * n) for n in range(9, 0, -1)]


def test_an_item_that_ends_its_worker_is_given_up_and_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(progress, "get_console", lambda: Console(file=log, force_terminal=False))
    items = [1, 2, DEADLY, 3, DEADLY, 4, 5, 6]
    found = run_tracked("Squaring", Squares(), items, backend=LocalProcesses(2), failed=given_up)
    assert [result for result in found if not given_up(result)] == ["1", "4", "9", "16", "25", "36"]
    assert [i for i, result in enumerate(found) if given_up(result)] == [2, 4]
    assert found[2].startswith("-1: the worker process died, usually out of memory")
    assert "Squaring 8/8, 2 failed" in log.getvalue()


def test_workers_are_set_up_and_the_present_process_is_not() -> None:
    for workers, expected in ((2, "yes"), (1, "no")):
        backend = LocalProcesses(workers, set_up)
        found = run_tracked("Looking", WhereItRuns(), [1, 2], backend=backend, failed=given_up)
        assert found == [expected, expected]


def test_a_map_keeps_its_order_and_says_that_a_process_died() -> None:
    with process_map(2) as run:
        assert list(run(square, [3, 1, 2])) == [9, 1, 4]
        assert list(run(square, [5])) == [25]
    with process_map(1) as run:
        assert list(run(square, [3, 1])) == [9, 1]
    with pytest.raises(UserError, match=r"worker process died.*--workers"), process_map(2) as run:
        list(run(square, [1, DEADLY]))
