"""Jobs done in worker processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.backend import Item, Job, Result


@dataclass(frozen=True)
class LocalProcesses:
    """`workers` processes; with one, the work is done in the present process."""

    workers: int = 1

    def check(self) -> None:
        """This machine is always there."""

    def run(self, job: Job[Item, Result], items: Sequence[Item]) -> Generator[Result, None, None]:
        """One result for each item, as they come; an item that ends its worker costs no other item."""
        if min(self.workers, len(items)) <= 1:
            yield from map(job, items)
            return
        waiting = dict(enumerate(items))
        while waiting:
            try:
                for index, result in _pooled(job, waiting, self.workers):
                    del waiting[index]
                    yield result
            except BrokenProcessPool:
                begun = _begun(waiting, self.workers)
                yield from _one_by_one(job, [waiting.pop(index) for index in begun])


def _begun(waiting: Mapping[int, Item], workers: int) -> list[int]:
    """The items that may have ended their worker: one in each, and those that the pool had handed out."""
    handed_out = workers + 1  # concurrent.futures keeps one more than there are workers at hand
    return list(waiting)[: workers + handed_out]


def _one_by_one(job: Job[Item, Result], items: Sequence[Item]) -> Generator[Result, None, None]:
    """Each item alone in a worker: one that dies is then told from those that were beside it."""
    waiting = deque(items)
    while waiting:
        try:
            with worker_pool(1) as pool:
                while waiting:
                    with _on_interrupt(signal.SIG_IGN):
                        future = pool.submit(job, waiting[0])
                    yield future.result()
                    waiting.popleft()
        except BrokenProcessPool:
            reason = "the worker process died, most often for want of memory; try fewer --workers"
            yield job.gave_up(waiting.popleft(), reason)


def _pooled(
    job: Job[Item, Result], items: Mapping[int, Item], workers: int
) -> Generator[tuple[int, Result], None, None]:
    with worker_pool(min(workers, len(items))) as pool:
        with _on_interrupt(signal.SIG_IGN):  # workers inherit this, until they are set up
            futures = {pool.submit(job, item): index for index, item in items.items()}
        for future in as_completed(futures):
            yield futures[future], future.result()


def map_in_order(
    function: Callable[[Item], Result], items: Sequence[Item], *, workers: int, at_a_time: int
) -> Generator[Result, None, None]:
    """`function` of each item by `workers` processes, which are given many small items at a time.

    Raises `UserError` where a process dies.
    """
    with worker_pool(workers) as pool:
        with _on_interrupt(signal.SIG_IGN):
            results = pool.map(function, items, chunksize=at_a_time)
        try:
            yield from results
        except BrokenProcessPool as error:
            raise UserError(
                "A worker process died, most often for want of memory; try fewer --workers."
            ) from error


@contextmanager
def worker_pool(
    workers: int, also_set_up: Callable[[], object] | None = None
) -> Iterator[ProcessPoolExecutor]:
    """Worker processes of one thread each, which end with this process.

    Args:
        also_set_up: called in each worker before its first work.
    """
    # spawn: a forked child could inherit locks held by the threads of SimpleITK or of the progress bar
    context = multiprocessing.get_context("spawn")
    with _on_interrupt(_interrupt_once):
        pool = ProcessPoolExecutor(
            workers, mp_context=context, initializer=_set_up_worker, initargs=(also_set_up,)
        )
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


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
