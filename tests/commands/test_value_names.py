"""The names of values in `--help`."""

from __future__ import annotations

import re

import pytest
import typer
from typer.testing import CliRunner

from nnunetv2_raemd.cli import app
from nnunetv2_raemd.commands.value_names import value_name


@pytest.mark.parametrize(
    ("of_typer", "ours"),
    [
        ("<dir>", "FOLDER"),
        ("<str>", "NAME"),
        ("<int range>", "N"),
        ("<float range>", "NUMBER"),
        ("<overlap|centre>", "overlap|centre"),
        ("<list[str]>", "NAME..."),
        ("<list[seg|sr]>", "seg|sr..."),
    ],
)
def test_the_kinds_of_values(of_typer: str, ours: str) -> None:
    assert value_name(of_typer) == ours


def paths(command: object, *names: str) -> list[tuple[str, ...]]:
    below = getattr(command, "commands", None)
    return [names] if below is None else [path for name in below for path in paths(below[name], *names, name)]


def test_no_help_shows_a_type_of_python() -> None:
    for path in paths(typer.main.get_command(app)):
        shown = CliRunner().invoke(app, [*path, "--help"], terminal_width=200).output
        assert re.findall(r"<(?:str|int|float|dir|file|path|list)\b[^>]*>", shown) == [], path
