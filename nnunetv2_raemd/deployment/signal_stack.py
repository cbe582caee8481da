"""The memory in which a thread handles its signals, kept from a library that takes its place."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """`stack_t` of <signal.h>, as Linux has it."""

    _fields_ = (("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Give this thread its signal stack back when the block ends, whatever the block has put in its place.

    OpenVINO sets one of its own when it compiles a model. When the model is deleted it brings back what it
    found, which may be the stack of another model that has been deleted before. Python would handle the next
    interrupt (Ctrl-C) in memory that is gone, and the process would end without a word instead of finishing
    what it was writing.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    sigaltstack = ctypes.CDLL(None).sigaltstack
    before = _Stack()
    sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        sigaltstack(ctypes.byref(before), None)
