"""Runs timed in a process of their own, which is left as nnU-Net has it.

`raemd predict` lets its process keep freed memory (`freed_memory`), which would make nnU-Net quicker than its
users have it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

from nnunetv2_raemd.execution.local_processes import submit, worker_pool

Times = tuple[float, float]
"""Seconds of a run: by the wall clock, and of the processor by all threads of its process."""
Timed = Callable[[], Times]
Apart = Callable[..., Timed]


def timed(run: Callable[[], object]) -> Timed:
    """The run, which returns its times."""

    def measure() -> Times:
        wall, processor = time.perf_counter(), time.process_time()
        run()
        return time.perf_counter() - wall, time.process_time() - processor

    return measure


@contextmanager
def own_process() -> Iterator[Apart]:
    """A function that takes one that makes a run, and its arguments: made once and timed in that process."""
    with worker_pool(1) as pool:

        def apart(make: Callable[..., Callable[[], object]], *arguments: object) -> Timed:
            return lambda: submit(pool, _timed_there, torch.get_num_threads(), make, arguments).result()

        yield apart


def _timed_there(
    threads: int, make: Callable[..., Callable[[], object]], arguments: tuple[Any, ...]
) -> Times:
    torch.set_num_threads(threads)
    return timed(_made(make, arguments))()


@cache
def _made(make: Callable[..., Callable[[], object]], arguments: tuple[Any, ...]) -> Callable[[], object]:
    return make(*arguments)
