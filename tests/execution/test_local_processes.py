"""Worker processes of this machine: what they give back, and one that dies."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from rich.console import Console

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution import progress
from nnunetv2_raemd.execution.case_batch import Failed, failures, run_cases, told
from nnunetv2_raemd.execution.local_processes import LocalProcesses, process_map

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="os._exit of a worker is POSIX's")
DEADLY, UNLUCKY, REFUSED = -1, 13, 14
ENDED_WHILE_SENDING = """
import threading
from multiprocessing import connection
from nnunetv2_raemd.execution.local_processes import submit, worker_pool

begun, ended, receive = threading.Event(), threading.Event(), connection.Connection._recv

def slowly(self, size, *more):
    if size > 10**6:
        begun.set()
        ended.wait()
    return receive(self, size, *more)

if __name__ == "__main__":
    connection.Connection._recv = slowly
    with worker_pool(1) as pool:
        submit(pool, bytes, 10**7)
        begun.wait()
        pool.end_at_once()
        ended.set()
"""


def square(number: int) -> int:
    if number == DEADLY:
        os._exit(9)  # as the system's out-of-memory killer
    return number * number


@dataclass(frozen=True)
class Squares:
    """Squares of numbers, except two that cannot be squared."""

    def __call__(self, number: int, /) -> int:
        if number == UNLUCKY:
            raise ZeroDivisionError("unlucky")
        if number == REFUSED:
            raise UserError("numbers.txt holds 14: delete it")
        return square(number)

    def case_id(self, number: int, /) -> str:
        return f"case {number}"

    def sees(self, _: int, /) -> Mapping[str, object]:
        return {}


def set_up() -> None:
    os.environ["RAEMD_TEST_SET_UP"] = "yes"


class WhereItRuns(Squares):
    def __call__(self, _: int, /) -> int:
        return int(os.environ.get("RAEMD_TEST_SET_UP", "no") == "yes")


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_cases(workers: int) -> None:
    found = run_cases("Squaring", Squares(), range(9, 0, -1), backend=LocalProcesses(workers))
    assert found == [n * n for n in range(9, 0, -1)]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_case_raises_is_named_and_the_rest_goes_on(workers: int) -> None:
    found = run_cases("Squaring", Squares(), [1, UNLUCKY, REFUSED, 2], backend=LocalProcesses(workers))
    unlucky = Failed("case 13", "ZeroDivisionError: unlucky")
    refused = Failed("case 14", "numbers.txt holds 14: delete it")
    assert found == [1, unlucky, refused, 4]
    assert told(failures(found), of=4).splitlines() == [
        "2 of 4 cases failed:",
        "  case 13: ZeroDivisionError: unlucky",
        "  case 14: numbers.txt holds 14: delete it",
    ]
    assert told(failures(found), of=4, shown=1).endswith("unlucky\n  ... and 1 more")


def test_a_case_that_ends_its_worker_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(progress, "get_console", lambda: Console(file=log, force_terminal=False))
    items = [1, 2, DEADLY, 3, DEADLY, 4, 5, 6]
    found = run_cases("Squaring", Squares(), items, backend=LocalProcesses(2))
    assert [result for result in found if isinstance(result, int)] == [1, 4, 9, 16, 25, 36]
    assert [i for i, result in enumerate(found) if isinstance(result, Failed)] == [2, 4]
    assert str(found[2]).startswith("case -1: the worker process died, ")
    assert "Squaring 8/8, 2 failed" in log.getvalue()


def test_workers_are_set_up_and_the_present_process_is_not() -> None:
    for workers, expected in ((2, 1), (1, 0)):
        found = run_cases("Looking", WhereItRuns(), [1, 2], backend=LocalProcesses(workers, set_up))
        assert found == [expected, expected]


def test_a_map_keeps_its_order_and_says_that_a_process_died() -> None:
    with process_map(2) as run:
        assert list(run(square, [3, 1, 2])) == [9, 1, 4]
        assert list(run(square, [5])) == [25]
    with process_map(1) as run:
        assert list(run(square, [3, 1])) == [9, 1]
    with pytest.raises(UserError, match=r"worker process died.*--workers"), process_map(2) as run:
        list(run(square, [1, DEADLY]))


def test_a_worker_may_be_ended_while_it_sends_a_result() -> None:
    """A pipe takes 64 KiB at a time: of 10 MB the rest never comes, and was waited for."""
    subprocess.run([sys.executable, "-c", ENDED_WHILE_SENDING], check=True, timeout=30)
