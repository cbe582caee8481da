"""Freed memory that the process keeps for its next use, where the C library gives it back too eagerly."""

from __future__ import annotations

import ctypes
import sys

# <malloc.h> of the GNU C library
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST_KEPT = 32 * 2**20
_NEVER_TRIMMED = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the GNU C library keep blocks of up to 32 MiB that torch frees; returns whether it does.

    On the CPU torch takes the memory of every intermediate result from the C library and gives it back. The
    GNU C library returns much of it to the system, which clears it page by page when it is asked for again:
    with small images, a fifth of the time of a training step (`docs/performance.md`). The process then keeps
    the most memory that it has used in such blocks. Other C libraries are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    return all(
        mallopt(option, value) == 1
        for option, value in ((_M_MMAP_THRESHOLD, _LARGEST_KEPT), (_M_TRIM_THRESHOLD, _NEVER_TRIMMED))
    )
