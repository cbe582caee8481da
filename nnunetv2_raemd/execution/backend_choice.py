"""Where the work of a command is done: worker processes of this machine, or those of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.backend import Backend
from nnunetv2_raemd.execution.local_processes import LocalProcesses, Map, process_map
from nnunetv2_raemd.execution.scheduler import Scheduler
from nnunetv2_raemd.version import __version__


def backend_for(
    scheduler: str | None, workers: int, also_set_up: Callable[[], object] | None = None
) -> Backend:
    """The scheduler at that address, where there is one; else so many processes here."""
    return Scheduler(scheduler) if scheduler else LocalProcesses(workers, also_set_up)


@contextmanager
def ordered_map(backend: Backend) -> Iterator[Map]:
    """A `map` by the workers of a backend; local ones stay for all that is mapped.

    Raises:
        UserError: if a worker dies, or raises something.
    """
    if isinstance(backend, LocalProcesses):
        with process_map(backend.workers) as run:
            yield run
        return

    def run_there(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        with closing(backend.run(_Mapped(function), list(enumerate(items)))) as finished:
            results = dict(finished)
        return iter([results[number] for number in range(len(items))])

    yield run_there


@dataclass(frozen=True)
class _Mapped:
    """A function as a job for a backend."""

    function: Callable[[Any], Any]

    def __call__(self, numbered: tuple[int, Any], /) -> tuple[int, Any]:
        return numbered[0], self.function(numbered[1])

    def sees(self, _: tuple[int, Any], /) -> Mapping[str, object]:
        return {"the version of nnunetv2-raemd": __version__}

    def gave_up(self, _: tuple[int, Any], reason: str, /) -> tuple[int, Any]:
        raise UserError(reason[:1].upper() + reason[1:])
