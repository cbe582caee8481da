"""Jobs done in worker processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from typing import Any

import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.backend import Item, Job, Result

Map = Callable[..., Iterator[Any]]


@dataclass(frozen=True)
class LocalProcesses:
    """`workers` processes; with one, the work is done in the present process.

    Attributes:
        also_set_up: called in each process before its first work, but not in the present one.
    """

    workers: int = 1
    also_set_up: Callable[[], object] | None = None

    def check(self) -> None:
        """This machine is always there."""

    def run(self, job: Job[Item, Result], items: Sequence[Item]) -> Generator[Result, None, None]:
        """One result for each item, as they come; where one ends its worker, the others are done."""
        if min(self.workers, len(items)) <= 1:
            yield from map(job, items)
            return
        waiting = dict(enumerate(items))
        while waiting:
            try:
                for index, result in self._pooled(job, waiting):
                    del waiting[index]
                    yield result
            except BrokenProcessPool:
                begun = _begun(waiting, self.workers)
                yield from self._one_by_one(job, [waiting.pop(index) for index in begun])

    def _one_by_one(self, job: Job[Item, Result], items: Sequence[Item]) -> Generator[Result, None, None]:
        """Each item alone in a worker: one that dies is then told from those that were beside it."""
        waiting = deque(items)
        while waiting:
            try:
                with worker_pool(1, self.also_set_up) as pool:
                    while waiting:
                        yield submit(pool, job, waiting[0]).result()
                        waiting.popleft()
            except BrokenProcessPool:
                reason = "the worker process died, usually out of memory; try fewer --workers"
                yield job.gave_up(waiting.popleft(), reason)

    def _pooled(
        self, job: Job[Item, Result], items: Mapping[int, Item]
    ) -> Generator[tuple[int, Result], None, None]:
        with worker_pool(min(self.workers, len(items)), self.also_set_up) as pool:
            futures = {submit(pool, job, item): index for index, item in items.items()}
            for future in as_completed(futures):
                yield futures[future], future.result()


HERE = LocalProcesses()
"""The present process alone."""


def _begun(waiting: Mapping[int, Item], workers: int) -> list[int]:
    """The items that may have ended their worker: one in each, and those that the pool had handed out."""
    handed_out = workers + 1  # concurrent.futures keeps one more than there are workers at hand
    return list(waiting)[: workers + handed_out]


def map_in_order(
    function: Callable[[Item], Result], items: Sequence[Item], *, workers: int, at_a_time: int
) -> Generator[Result, None, None]:
    """`function` of each item by `workers` processes, which are given many small items at a time.

    Raises:
        UserError: if a process dies.
    """
    with process_map(workers, at_a_time=at_a_time) as run:
        yield from run(function, items)


@contextmanager
def process_map(workers: int, *, at_a_time: int = 1) -> Iterator[Map]:
    """A `map` by `workers` processes, which stay for all that is mapped; for one, in the present process.

    Raises:
        UserError: if a process dies.
    """
    if workers <= 1:
        yield map
        return
    with worker_pool(workers) as pool:

        def run(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
            with _on_interrupt(signal.SIG_IGN):
                return pool.map(function, items, chunksize=at_a_time)

        try:
            yield run
        except BrokenProcessPool as error:
            raise UserError("a worker process died, usually out of memory; try fewer --workers") from error


class WorkerPool(ProcessPoolExecutor):
    """Worker processes, which can be ended in the middle of their work."""

    def __init__(self, workers: int, also_set_up: Callable[[], object] | None) -> None:
        context = _RecordingContext()
        self._started = context.started
        super().__init__(workers, mp_context=context, initializer=_set_up_worker, initargs=(also_set_up,))

    def end_at_once(self) -> None:
        """End the workers, for work that leaves nothing half done; what was asked of them is lost.

        One that was sending a result leaves it unfinished. Whoever reads it waits for the rest as long as
        anybody could send it, and the library keeps that end of the pipe open in this process, too.
        """
        for process in self._started:
            process.terminate()
        self._result_queue._writer.close()  # type: ignore[attr-defined]


class _RecordingContext(SpawnContext):
    """Keeps the processes that it starts.

    They are spawned: a forked child could inherit locks held by the threads of SimpleITK or of the progress
    bar.
    """

    def __init__(self) -> None:
        super().__init__()
        self.started: list[BaseProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802
        """The standard library's, which is called by this name."""
        process = SpawnProcess(*args, **kwargs)
        self.started.append(process)
        return process


@contextmanager
def worker_pool(workers: int, also_set_up: Callable[[], object] | None = None) -> Iterator[WorkerPool]:
    """Worker processes of one thread each, which end with this process, when their work is done.

    Args:
        also_set_up: called in each worker before its first work.
    """
    with _on_interrupt(_interrupt_once):
        pool = WorkerPool(workers, also_set_up)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def submit(pool: Executor, function: Callable[..., Result], *arguments: object) -> Future[Result]:
    """`pool.submit`; workers that it starts leave interrupts to this process before they are set up, too."""
    with _on_interrupt(signal.SIG_IGN):
        return pool.submit(function, *arguments)


def _interrupt_once(*_: object) -> None:
    """Ends the work; another interrupt while the workers end would leave the pool waiting for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def _on_interrupt(handler: Callable[..., None] | signal.Handlers) -> Iterator[None]:
    """Answer interrupts (Ctrl-C) by `handler`, unless somebody else decides what they do."""
    before = signal.getsignal(signal.SIGINT)
    ours = before in (signal.default_int_handler, _interrupt_once)
    if not ours or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _set_up_worker(also_set_up: Callable[[], object] | None) -> None:
    """One thread per worker; an interrupt (Ctrl-C) is the main process's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if also_set_up is not None:
        also_set_up()


def _end_with_parent() -> None:
    """A worker whose main process was killed would otherwise wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
