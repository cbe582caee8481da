"""`raemd demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def demo(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FOLDER", help="Folder for all files of the demonstration."),
    ] = Path("demo_output"),
    restart: Annotated[
        bool, typer.Option("--restart", help="Start over instead of continuing an earlier run.")
    ] = False,
) -> None:
    """Show the whole way on a CPU: make phantom scans, convert, plan, train, validate, predict, compare.

    An interrupted demonstration is continued by the same command.
    """
    from nnunetv2_raemd.demo.demonstration import run_demo

    run_demo(output, restart=restart, console=Console())
