"""What `--help` calls the values of options that do not say so themselves: FOLDER, N, overlap|centre."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_NAMES = {"dir": "FOLDER", "file": "FILE", "path": "PATH", "str": "NAME", "int": "N", "float": "NUMBER"}


def name_values(options: Iterable[Any], context: Any) -> None:
    """Name them as nnU-Net's commands do, in capitals, in the place of Typer's `<dir>` and `<list[str]>`.

    Versions of Typer that have other names of their own keep them.
    """
    for option in options:
        if not option.metavar and hasattr(option, "display_type") and not getattr(option, "is_flag", True):
            option.metavar = value_name(option.display_type(context))


def value_name(of_typer: str) -> str:
    """`<float range>` is NUMBER, `<list[seg|sr]>` is seg|sr...; choices stay."""
    several = re.fullmatch(r"<list\[(.*)\]>", of_typer)
    kind = several[1] if several else of_typer.strip("<>")
    return _NAMES.get(kind.removesuffix(" range"), kind) + ("..." if several else "")
