"""Whether what a header promises fits this computer, before memory is taken for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from nnunetv2_raemd.errors import UserError

CGROUP_OF_PROCESS = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")


def check_fits_memory(n_bytes: int) -> None:
    """Compressed voxels may be a thousand times what the file takes: a small file is no proof.

    Raises:
        UserError: if they take more memory than there is.
    """
    memory = memory_bytes()
    if n_bytes > memory:
        raise UserError(
            f"it is damaged or too large: its header promises {n_bytes / 2**30:.1f} GiB of voxels, and there "
            f"are {memory / 2**30:.1f} GiB of memory"
        )


def memory_bytes() -> int:
    """What is built in, whoever uses it, or what a container or a job on a cluster may take of it."""
    return min([int(psutil.virtual_memory().total), *_cgroup_limits()])


def _cgroup_limits() -> Iterator[int]:
    """Limits of Linux's control groups, by which containers and Slurm keep to theirs; others have none."""
    for folder, file in _cgroup_folders():
        for level in (folder, *folder.parents):
            with suppress(OSError, ValueError):  # no limit: no such file, or "max"
                yield int((level / file).read_text(encoding="ascii"))
            if level == CGROUPS:
                break


def _cgroup_folders() -> Iterator[tuple[Path, str]]:
    """The group that this process is in, and the file of its limit: cgroups(7), versions 2 and 1."""
    with suppress(OSError):
        for line in CGROUP_OF_PROCESS.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                yield CGROUPS / path.lstrip("/"), "memory.max"
            elif "memory" in controllers.split(","):
                yield CGROUPS / "memory" / path.lstrip("/"), "memory.limit_in_bytes"
