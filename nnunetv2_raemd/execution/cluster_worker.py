"""What a worker of a cluster must be like for work that fills a GPU."""

from __future__ import annotations

import sys

ONE_AT_A_TIME = "one piece of work at a time (start workers with --nthreads 1)"
"""What a job's `sees` calls `takes_one_at_a_time`."""


def takes_one_at_a_time() -> bool:
    """Whether this process is no worker of dask's, or one with a single thread."""
    if "distributed" not in sys.modules:
        return True
    from distributed import get_worker  # noqa: PLC0415 - an extra that most users do without

    try:
        n_threads: int = get_worker().state.nthreads
    except ValueError:  # no worker
        return True
    return n_threads == 1
