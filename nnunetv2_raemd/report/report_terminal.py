"""A report as the user sees it in the terminal: where it is, and what it misses."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from nnunetv2_raemd.report.report_page import Page, render
from nnunetv2_raemd.whole_files import write_text

_SHOWN = 20  # all are on the page


def report(page: Page, file: Path) -> int:
    """Write the page, list what is missing, and return the exit status: 1 where something is."""
    write_text(file, render(page))
    console = Console(highlight=False)
    for sentence in page.missing[:_SHOWN]:
        console.print(f"[bold red]Missing:[/] {escape(sentence)}", soft_wrap=True)
    if len(page.missing) > _SHOWN:
        console.print(f"... and {len(page.missing) - _SHOWN} more, all on the page")
    megabytes = file.stat().st_size / 1e6
    console.print(f"Report: {escape(str(file))} ({megabytes:.1f} MB)", soft_wrap=True)
    return 1 if page.missing else 0
