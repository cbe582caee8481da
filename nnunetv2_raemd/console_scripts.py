"""Commands of this Python environment, be it activated or not: where they are, and what they print."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nnunetv2_raemd.errors import UserError


def find_script(name: str) -> str:
    """The path of a command.

    Raises:
        UserError: if it is missing.
    """
    script = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if script is None:
        raise UserError(
            f"the command {name} is missing beside {sys.executable}: install nnunetv2-raemd there"
        )
    return script


def run_script(
    command: Sequence[str], environment: Mapping[str, str], take_line: Callable[[str], object]
) -> int:
    """Run a command to its end and pass on each line as it is printed; returns the exit status.

    Raises:
        UserError: if it is missing.
    """
    with subprocess.Popen(
        [find_script(command[0]), *command[1:]],
        env={**environment, "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            take_line(line)
    return process.returncode
