"""Jobs done by the workers of a `dask.distributed` scheduler that is running already."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from rich import get_console

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.backend import ClusterJob, Item, Result
from nnunetv2_raemd.extras import needs_extra

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_S = 10.0
_LOOK_FOR_WORKERS_S = 30.0


class UnfitWorkerError(UserError):
    """A worker does not see what the main process sees."""


@dataclass(frozen=True)
class Scheduler:
    """The scheduler at `address`, as "tcp://host:8786"; its workers must see our files by the same paths."""

    address: str

    def check(self) -> None:
        """Raise `UserError` where the scheduler does not answer or `distributed` is not installed."""
        with self._connected():
            pass

    def run(self, job: ClusterJob[Item, Result], items: Sequence[Item]) -> Generator[Result, None, None]:
        """One result for each item, as they come.

        The scheduler gives the items of a worker that died to the others. An item that several workers died
        of is tried once more alone, because any item that was with the culprit is under suspicion, and then
        given up.
        """
        if not items:
            return
        with self._connected() as client:
            _check_workers(client, self.address, job, items[0])
            suspects: list[Item] = []
            for item, future in _submitted(client, job, items):
                if _ended_its_workers(future):
                    suspects.append(item)
                else:
                    yield future.result()
            for suspect in suspects:
                yield _alone(client, job, suspect)

    @contextmanager
    def _connected(self) -> Iterator[Client]:
        with needs_extra("cluster", "--scheduler, here and on workers,"):
            from distributed import Client  # noqa: PLC0415 - an extra that most users do without
        try:
            client = Client(self.address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UserError(
                f"there is no scheduler at {self.address}: {error}. Give the address that `dask scheduler` "
                "prints, as tcp://host:8786"
            ) from error
        with client:
            yield client


def _submitted(
    client: Client, job: ClusterJob[Item, Result], items: Sequence[Item]
) -> Generator[tuple[Item, Future[Any]], None, None]:
    """The items with their futures, as these finish; what has not finished is cancelled at the end."""
    run = uuid4().hex
    futures = {
        client.submit(
            _call(), pickle.dumps((_do, job, item, job.sees(item))), key=f"raemd-{run}-{number}"
        ): item
        for number, item in enumerate(items)
    }
    done: SimpleQueue[Future[Any]] = SimpleQueue()
    try:
        for future in futures:
            future.add_done_callback(done.put)
        for _ in range(len(items)):
            future = _next(done, client)
            yield futures.pop(future), future
    finally:
        client.cancel(list(futures))


def _next(done: SimpleQueue[Future[Any]], client: Client) -> Future[Any]:
    while True:
        try:
            return done.get(timeout=_LOOK_FOR_WORKERS_S)
        except Empty:
            if not client.nthreads():
                get_console().print("The scheduler has no workers at present; waiting for some.")


def _ended_its_workers(future: Future[Any]) -> bool:
    """Whether workers died of the item.

    A job never raises because of its item: what it raises is of the worker.

    Raises:
        UserError: if the cluster is at fault.
    """
    from distributed import KilledWorker  # noqa: PLC0415

    if future.cancelled():
        raise UserError("the scheduler was lost or the work cancelled there. The same command continues")
    error = future.exception()
    if error is not None and not isinstance(error, (KilledWorker, UserError)):
        raise UserError(f"a worker cannot do the work: {_describe(error)}") from error
    if isinstance(error, UserError):
        raise error
    return isinstance(error, KilledWorker)


def _alone(client: Client, job: ClusterJob[Item, Result], item: Item) -> Result:
    for _, future in _submitted(client, job, [item]):
        if not _ended_its_workers(future):
            result: Result = future.result()
            return result
    return job.gave_up(item, "the workers that tried it died, usually out of memory")


def _call() -> Callable[[bytes], Any]:
    """The function that workers are sent: calls what it is given pickled.

    It is made here because a function without a name of its own is sent whole. What a worker lacks then turns
    up in the task, whose error comes back, and not on the way to it, which would end the worker unheard.
    """

    def call(pickled: bytes) -> Any:
        import pickle  # noqa: PLC0415 - travels with the function

        function, *arguments = pickle.loads(pickled)
        return function(*arguments)

    return call


def _do(job: ClusterJob[Item, Result], item: Item, expected: Mapping[str, object]) -> Result:
    """Done by a worker, which may have joined after `_check_workers`."""
    from distributed import get_worker  # noqa: PLC0415

    _check_same(get_worker().address, job.sees(item), expected)
    return job(item)


def _check_workers(client: Client, address: str, job: ClusterJob[Item, Any], item: Item) -> None:
    """Raise `UserError` where a worker cannot do the work, before any is given to it."""
    expected = job.sees(item)
    seen = client.run(_call(), pickle.dumps((job.sees, item)), on_error="return")
    if not seen:
        get_console().print(f"The scheduler {address} has no workers yet; waiting for some.")
    for worker, answer in seen.items():
        if isinstance(answer, OSError):
            continue  # it has left
        if isinstance(answer, Exception):
            raise UserError(f"the worker {worker} cannot do the work: {_describe(answer)}") from answer
        _check_same(worker, answer, expected)


def _check_same(address: str, seen: Mapping[str, object], expected: Mapping[str, object]) -> None:
    different = [name for name, value in expected.items() if seen.get(name) != value]
    if different:
        raise UnfitWorkerError(
            f"The worker {address} does not see the same as this machine: {', '.join(different)}. "
            "Workers need the same files at the same paths, and the same version of nnunetv2-raemd."
        )


def _describe(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, ImportError):
        text += '; install there what is installed here: pip install "nnunetv2-raemd[cluster]"'
    return text
