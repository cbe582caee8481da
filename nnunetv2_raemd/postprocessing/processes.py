"""`map` over worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_pool import one_torch_thread
from nnunetv2_raemd.execution.local_processes import worker_pool

Map = Callable[..., Iterator[Any]]


@contextmanager
def parallel_map(workers: int) -> Iterator[Map]:
    """A `map` that runs on that many processes; in this one for a single worker.

    Raises:
        UserError: if a worker dies.
    """
    if workers <= 1:
        yield map
        return
    try:
        with worker_pool(workers, one_torch_thread) as pool:
            yield pool.map
    except BrokenProcessPool as error:
        raise UserError("a worker process died, most often for want of memory: try a smaller -np") from error
