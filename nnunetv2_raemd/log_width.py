"""How wide tables may be where they are printed to no terminal, as in a log."""

from __future__ import annotations

from rich.console import Console

_UNLIMITED = 10_000  # columns


def unlimited_in_a_log(console: Console) -> None:
    """Let the console print what is wide as a whole, unless it is a terminal, whose width is what it is."""
    if not console.is_terminal:
        console.width = _UNLIMITED
