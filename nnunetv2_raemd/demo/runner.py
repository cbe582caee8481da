"""Runs the demonstration's commands, showing what they print last and keeping all of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from nnunetv2_raemd.demo.demo_steps import Step
from nnunetv2_raemd.errors import UserError

MOST_SHOWN = 120


def run_step(step: Step, environment: Mapping[str, str], logs: Path, console: Console) -> None:
    """Run a step unless an earlier run has finished it.

    Raises:
        UserError: if the command fails; it names the log.
    """
    log, done = logs / f"{step.file_name}.log", logs / f"{step.file_name}.done"
    if done.is_file():
        console.print(f"[bold]{step.title}[/]: done before")
        return
    command = step.again if step.again is not None and log.is_file() else step.command
    console.print(f"[bold]{step.title}[/]\n  [dim]$ {' '.join(command)}[/]", soft_wrap=True)
    started = time.monotonic()
    with console.status("") as status, log.open("a", buffering=1, encoding="utf-8") as log_file:
        exit_status = _run(command, environment, log_file.write, status)
    if exit_status != 0:
        raise UserError(f"{command[0]} failed with exit status {exit_status}; what it printed is in {log}")
    done.touch()
    console.print(f"  finished after {time.monotonic() - started:.0f} s")


def _run(
    command: tuple[str, ...], environment: Mapping[str, str], keep: Callable[[str], int], status: Status
) -> int:
    """Run a command to its end; returns its exit status."""
    with subprocess.Popen(
        [_script(command[0]), *command[1:]],
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            keep(line)
            if text := line.strip():
                status.update(f"[dim]{escape(text[:MOST_SHOWN])}[/]")
    return process.returncode


def _script(name: str) -> str:
    """The command of this Python environment, whether or not it is activated."""
    script = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if script is None:
        raise UserError(
            f"the command {name} is missing beside {sys.executable}: install nnunetv2-raemd there"
        )
    return script
