"""A command that ends with all the processes that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

import psutil

TIME_TO_END_S = 15.0


def run_in_group(
    command: Sequence[str], log: IO[str], *, environment: Mapping[str, str], inherited: Sequence[int]
) -> int:
    """The exit status of `command`, which prints to `log` and inherits the file descriptors `inherited`.

    nnU-Net's data loaders outlive a training that was killed, and would hold what they have inherited, such
    as a lock, for ever. So none is left behind here. An interrupt is passed on to all of them, since those of
    a terminal reach its own group only. Windows has no such groups: there, what the command has started is
    looked for while it runs, and ends with it.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
        pass_fds=inherited,
        start_new_session=True,
    ) as process:
        try:
            return process.wait()
        except BaseException:
            _send(process, "SIGINT")
            with suppress(subprocess.TimeoutExpired):
                process.wait(TIME_TO_END_S)
            raise
        finally:
            _send(process, "SIGKILL")


def _send(process: subprocess.Popen[bytes], signal_name: str) -> None:
    if not hasattr(os, "killpg"):
        _end_with_children(process.pid)
        return
    with suppress(ProcessLookupError):  # all have ended
        os.killpg(process.pid, getattr(signal, signal_name))


def _end_with_children(pid: int) -> None:
    """A console script of Windows is a small program that starts Python: to end it alone is not enough."""
    with suppress(psutil.NoSuchProcess):  # it has ended
        process = psutil.Process(pid)
        for each in (*process.children(recursive=True), process):
            with suppress(psutil.NoSuchProcess):
                each.kill()
