"""Whether what a header promises fits this computer, before memory is taken for it."""

from __future__ import annotations

import psutil

from nnunetv2_raemd.errors import UserError


def check_fits_memory(n_bytes: int) -> None:
    """Compressed voxels may be a thousand times what the file takes: a small file is no proof.

    Raises:
        UserError: if they take more memory than there is.
    """
    memory = memory_bytes()
    if n_bytes > memory:
        raise UserError(
            f"it is damaged or too large: its header promises {n_bytes / 2**30:.1f} GiB of voxels, and this "
            f"computer has {memory / 2**30:.1f} GiB of memory"
        )


def memory_bytes() -> int:
    """What is built in, whoever uses it."""
    return int(psutil.virtual_memory().total)
