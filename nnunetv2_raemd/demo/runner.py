"""Runs the demonstration's commands, showing what they print last and keeping all of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from nnunetv2_raemd.console_scripts import run_script
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

        def keep_and_show(line: str) -> None:
            log_file.write(line)
            if text := line.strip():
                status.update(f"[dim]{escape(text[:MOST_SHOWN])}[/]")

        exit_status = run_script(command, environment, keep_and_show)
    if exit_status != 0:
        raise UserError(f"{command[0]} failed with exit status {exit_status}; what it printed is in {log}")
    done.touch()
    console.print(f"  finished after {time.monotonic() - started:.0f} s")
