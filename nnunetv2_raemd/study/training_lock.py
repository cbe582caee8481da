"""A training must not run twice at a time: both would write the same checkpoints."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class LockedError(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(file: Path) -> Iterator[tuple[int, ...]]:
    """Hold the lock; yields the file descriptors that a child must inherit to hold it, too.

    So a training that outlives a killed study still keeps others away. Windows has no such locks: there,
    nothing is locked.

    Raises:
        LockedError: if the lock is held.
    """
    try:
        fcntl = importlib.import_module("fcntl")
    except ImportError:
        yield ()
        return
    with file.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(f"{file} is locked") from error
        yield (handle.fileno(),)
