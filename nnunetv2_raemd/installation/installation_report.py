"""All findings together, for the eye and for programs."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nnunetv2_raemd.installation.device import check_device
from nnunetv2_raemd.installation.discovery import check_discovery
from nnunetv2_raemd.installation.finding import Finding, State
from nnunetv2_raemd.installation.nnunet_folders import check_folders
from nnunetv2_raemd.installation.requirements import check_requirements
from nnunetv2_raemd.version import __version__

COLOURS = {State.OK: "green", State.NOTE: "yellow", State.PROBLEM: "bold red"}


def inspect_installation() -> Iterator[Finding]:
    """Yield what there is to know before the first nnUNetv2 command, the quick checks first."""
    yield Finding("nnunetv2-raemd", __version__)
    yield Finding("Python", platform.python_version())
    yield from check_requirements()
    yield check_device()
    yield from check_folders()
    yield from check_discovery()


def is_usable(findings: list[Finding]) -> bool:
    """Whether there is no problem among the findings; notes do not count."""
    return all(finding.state is not State.PROBLEM for finding in findings)


def print_report(findings: list[Finding], console: Console) -> None:
    """Print a table of the findings, then what to do about the notes and problems among them."""
    table = Table("", "what", "found", box=None, pad_edge=False)
    table.columns[2].overflow = "fold"
    for finding in findings:
        table.add_row(_mark(finding.state), escape(finding.subject), escape(finding.value))
    console.print(table, highlight=False)
    for finding in findings:
        if finding.advice:
            console.print(
                f"\n{_mark(finding.state)} [bold]{escape(finding.subject)}[/]: {escape(finding.advice)}",
                highlight=False,
                soft_wrap=True,
            )


def _mark(state: State) -> str:
    return f"[{COLOURS[state]}]{state.value}[/]"


def to_json(findings: list[Finding]) -> str:
    """The findings as JSON: `usable`, and the list `findings` with subject, value, state and advice."""
    return json.dumps({"usable": is_usable(findings), "findings": [asdict(f) for f in findings]}, indent=2)
