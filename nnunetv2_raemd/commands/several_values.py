"""Several values after one flag (`-tr A B C`, `-f 0 1 2`), as nnU-Net's own commands take them.

Typer knows only the repeated flag (`-tr A -tr B`). With `app.command(cls=SeveralValuesCommand)` every list
option of the command takes both forms, also mixed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterable, Iterator
from typing import Any

from nnunetv2_raemd.commands.help_lines import Command
from nnunetv2_raemd.commands.value_names import name_values
from nnunetv2_raemd.errors import UserError

_NUMBER = re.compile(r"-\d+(\.\d*)?|-\.\d+")


class SeveralValuesCommand(Command):
    """A command whose list options take one or more values after one flag.

    As with argparse's `nargs="+"`, a positional argument must stand before such an option or after `--`.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse `args`, with the flag of every list option repeated before each of its values."""
        name_values(self.params, ctx)  # for --help, which is answered while parsing
        flags = {
            flag
            for parameter in self.params
            if getattr(parameter, "multiple", False) and parameter.nargs == 1
            for flag in parameter.opts
        }
        left = super().parse_args(ctx, list(repeat_flags(args, flags)))
        for parameter in self.params:
            _check_is_finite(parameter.opts[0], ctx.params.get(parameter.name))
        return left


def _check_is_finite(option: str, value: Any) -> None:
    """Python reads "nan" and "inf" as numbers, and no limit of an option refuses "nan".

    Raises:
        UserError: for these.
    """
    for one in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(one, float) and not math.isfinite(one):
            raise UserError(f"{option} {one:g}: give a number")


def repeat_flags(arguments: Iterable[str], flags: Container[str]) -> Iterator[str]:
    """Put each flag of `flags` before every one of its values: `-tr A B` becomes `-tr A -tr B`.

    A flag's values end at the next option; a negative number is a value.
    """
    flag: str | None = None
    fresh = False
    for argument in arguments:
        if argument.startswith("-") and not _NUMBER.fullmatch(argument):
            flag = argument if argument in flags else None
            fresh = True
        elif flag is not None and not fresh:
            yield flag
        else:
            fresh = False
        yield argument
