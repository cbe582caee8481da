"""A training must not run twice at a time: both would write the same checkpoints."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


class LockedError(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(file: Path) -> Iterator[tuple[int, ...]]:
    """Hold the lock; yields the file descriptors that a child must inherit to hold it, too.

    So a training that outlives a killed study still keeps others away. Windows has no locks that children
    inherit: there, the study alone holds it.

    Raises:
        LockedError: if the lock is held.
    """
    try:
        fcntl = importlib.import_module("fcntl")
    except ImportError:
        with _held_alone(file):
            yield ()
        return
    with file.open("a", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(f"{file} is locked") from error
        yield (handle.fileno(),)


@contextmanager
def _held_alone(file: Path) -> Iterator[None]:
    try:
        with FileLock(file, timeout=0):
            yield
    except Timeout as error:
        raise LockedError(f"{file} is locked") from error
