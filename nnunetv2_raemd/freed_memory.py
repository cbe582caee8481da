"""Freed memory that the process keeps for its next use, where the C library gives it back too eagerly."""

from __future__ import annotations

import ctypes
import sys

# <malloc.h> of the GNU C library
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST_KEPT = (128 * 2**20, 32 * 2**20)  # older versions of the library refuse more than 32 MiB
_NEVER_TRIMMED = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the GNU C library keep blocks of up to 128 MiB that torch frees; returns whether it does.

    On the CPU torch takes the memory of every intermediate result from the C library and gives it back. The
    GNU C library returns much of it to the system, which clears it page by page when it is asked for again:
    with small images, a fifth of the time of a training step, and of prediction with slices of 512 x 512 a
    quarter (`docs/performance.md`). The process then keeps the most memory that it has used in such blocks.
    Other C libraries are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    keeps_blocks = any(mallopt(_M_MMAP_THRESHOLD, size) == 1 for size in _LARGEST_KEPT)
    return keeps_blocks and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER_TRIMMED) == 1)
