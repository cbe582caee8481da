"""`map` over worker processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_pool import set_up_worker

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
    # spawn: a forked child could inherit locks held by the threads of SimpleITK or of the progress bar
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, mp_context=context, initializer=set_up_worker) as pool:
            yield pool.map
    except BrokenProcessPool as error:
        raise UserError("a worker process died, most often for want of memory: try a smaller -np") from error
