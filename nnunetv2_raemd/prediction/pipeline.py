"""Many cases through preprocessing, network and export, all three at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from nnunetv2_raemd.errors import reason_of
from nnunetv2_raemd.execution.case_batch import Failed
from nnunetv2_raemd.execution.local_processes import WorkerPool, submit, worker_pool

if TYPE_CHECKING:
    from nnunetv2_raemd.prediction.case_work import CaseWork
    from nnunetv2_raemd.prediction.input_cases import InputCase
    from nnunetv2_raemd.prediction.network_result import NetworkResult

Network: TypeAlias = "Callable[[np.ndarray, dict[str, Any]], NetworkResult]"
"""From a preprocessed image (C, Z, Y, X) and its properties to logits (classes, Z, Y, X)."""
Preprocessed = Future[tuple[np.ndarray, dict[str, Any]]]

WAITING_EXPORTS = 2  # as many as nnU-Net lets wait: each holds the logits of a scan
WORKER_DIED = Failed(
    "the cases that were not done yet",
    "a worker process died, usually out of memory. Go on with --continue_prediction and fewer processes "
    "(-npp, -nps)",
)


@dataclass(frozen=True)
class Processes:
    """Worker processes beside the one with the network; where there are none, it does their work."""

    preprocessing: int
    export: int

    def for_cases(self, number: int) -> Processes:
        """For a single case none: its steps follow each other, and workers take seconds to start."""
        return self if number > 1 else Processes(0, 0)


class Pipeline:
    """Takes cases through `work` and `network`; where one fails, the others are unaffected.

    Attributes:
        n_written: cases predicted and exported.
        failed: the cases that could not be predicted.
    """

    def __init__(self, work: CaseWork, network: Network, processes: Processes) -> None:
        self.work, self.network, self.processes = work, network, processes
        self.n_written = 0
        self.failed: list[Failed] = []

    def run(self, cases: Sequence[InputCase]) -> None:
        """Predict all that can be; an interrupt lets exports that have begun come to their end."""
        try:
            with (
                _workers(self.processes.preprocessing) as readers,
                _workers(self.processes.export) as writers,
                _ended_by_an_interrupt(readers),
            ):
                self._run(cases, readers, writers)
        except BrokenProcessPool:
            self.failed.append(WORKER_DIED)

    def _run(self, cases: Sequence[InputCase], readers: Executor, writers: Executor) -> None:
        exports: deque[tuple[InputCase, Future[None]]] = deque()
        number = 0  # enumerate would hold each case until the next
        for case, preprocessed in self._preprocessed(cases, readers):
            number += 1  # noqa: SIM113 - see above
            print(f"Predicting {case.case_id} ({number} of {len(cases)})")
            with self._left_out_if_it_fails(case):
                image, properties = preprocessed.result()
                result = self.network(image, properties)
                del image, preprocessed  # as large as the scan, while it is exported in this process
                exports.append((case, submit(writers, self.work.export, result, properties, case)))
                del result
            self._finish(exports, leave=self.processes.export + WAITING_EXPORTS)
        self._finish(exports, leave=0)

    def _preprocessed(
        self, cases: Sequence[InputCase], readers: Executor
    ) -> Iterator[tuple[InputCase, Preprocessed]]:
        """The cases in turn; one more than there are workers is held, since each is as large as a scan."""
        ahead: deque[tuple[InputCase, Preprocessed]] = deque()
        for case in cases:
            ahead.append((case, submit(readers, self.work.preprocess, case)))
            if len(ahead) > self.processes.preprocessing:
                yield ahead.popleft()
        while ahead:
            yield ahead.popleft()

    def _finish(self, exports: deque[tuple[InputCase, Future[None]]], *, leave: int) -> None:
        """Wait for the oldest exports until no more than `leave` are left."""
        while len(exports) > leave:
            case, export = exports.popleft()
            with self._left_out_if_it_fails(case):
                export.result()
                self.n_written += 1

    @contextmanager
    def _left_out_if_it_fails(self, case: InputCase) -> Iterator[None]:
        try:
            yield
        except BrokenProcessPool:
            raise
        except Exception as error:  # one bad case must not end a run of hundreds
            self.failed.append(Failed(case.case_id, reason_of(error)))


class InThisProcess(Executor):
    """Does what it is given at once."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """The work, done already."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments, **named))
        except Exception as error:  # it is the caller's, who asks for the result
            future.set_exception(error)
        return future


@contextmanager
def _ended_by_an_interrupt(pool: Executor) -> Iterator[None]:
    """Work that nothing is written of need not come to its end: `docker stop` waits for 10 s only."""
    try:
        yield
    except KeyboardInterrupt:
        if isinstance(pool, WorkerPool):
            pool.end_at_once()
        raise


def _workers(number: int) -> AbstractContextManager[Executor]:
    return worker_pool(number) if number else nullcontext(InThisProcess())
