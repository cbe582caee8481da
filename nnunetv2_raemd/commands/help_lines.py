"""Lines of `--help` that do not end within a name: nnU-Net stays whole, and so do URLs and options."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

_HYPHEN = re.compile(r"(?<=\w)-(?=\w)")
_UNBROKEN = "\u2011"  # as wide as a hyphen, and no place to break a line at


# typer brings them along without declaring them
_TyperContext: Any = TyperGroup.context_class
_TyperFormatter: Any = _TyperContext.formatter_class


class _WholeNames(_TyperFormatter):
    """Typer's formatter, to which hyphens within words are shown as ones that never end a line."""

    def write_text(self, text: str) -> None:
        super().write_text(_HYPHEN.sub(_UNBROKEN, text))

    def write_dl(self, rows: Sequence[tuple[str, str]], *args: Any, **options: Any) -> None:
        super().write_dl([(name, _HYPHEN.sub(_UNBROKEN, text)) for name, text in rows], *args, **options)

    def getvalue(self) -> str:
        return str(super().getvalue()).replace(_UNBROKEN, "-")


class _Context(_TyperContext):
    formatter_class = _WholeNames


class Command(TyperCommand):
    """A command with such a help."""

    context_class = _Context


class Group(TyperGroup):
    """A command with subcommands and such a help."""

    context_class = _Context
