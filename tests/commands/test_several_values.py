"""One flag, several values: nnU-Net's form and Typer's, on a command of the tests' own."""

from __future__ import annotations

import argparse
import itertools
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from nnunetv2_raemd.commands.several_values import SeveralValuesCommand, repeat_flags

app = typer.Typer()


@app.command(cls=SeveralValuesCommand)
def show(
    trainers: Annotated[list[str], typer.Option("-tr", "--trainers")],
    folds: Annotated[list[int] | None, typer.Option("-f", "--folds")] = None,
    dataset: Annotated[str, typer.Option("-d")] = "",
    place: Annotated[str, typer.Argument()] = "",
    fast: Annotated[bool, typer.Option("--fast")] = False,
) -> None:
    typer.echo(f"{trainers} {folds or []} {dataset} {place} {fast}")


@pytest.mark.parametrize(
    "line",
    [
        "-tr A B C -f 0 1 -d 501",
        "-d 501 -tr A B C -f 0 1",
        "-tr A -tr B -tr C -f 0 -f 1 -d 501",
        "-tr A B -f 0 1 -d 501 -tr C",
        "--trainers A B C --folds 0 --folds 1 -d 501",
        "--trainers=A -tr B C -f 0 1 -d 501",
    ],
)
def test_every_form_gives_the_same(line: str) -> None:
    result = CliRunner().invoke(app, line.split())
    assert result.output == "['A', 'B', 'C'] [0, 1] 501  False\n"


def test_positional_argument_and_flags_keep_their_meaning() -> None:
    for line in ("here -tr A B --fast", "--fast -tr A B -- here", "-tr A B --fast here"):
        assert CliRunner().invoke(app, line.split()).output == "['A', 'B'] []  here True\n", line


def test_negative_numbers_are_values() -> None:
    assert CliRunner().invoke(app, ["-tr", "A", "-f", "-1", "-2"]).output == "['A'] [-1, -2]   False\n"


def test_a_flag_without_a_value_is_refused() -> None:
    result = CliRunner().invoke(app, ["-f", "0", "-d", "501", "-tr"])
    assert result.exit_code == 2


@pytest.mark.parametrize("line", ["-a 1 2 -b 3", "-b 3 -a 1", "-a 1 2 3", "-b -4 -a -1 -.5"])
def test_values_end_where_argparse_ends_them(line: str) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-a", nargs="+")
    parser.add_argument("-b")
    expected = parser.parse_args(line.split()).a
    repeated = list(repeat_flags(line.split(), {"-a"}))
    assert [value for flag, value in itertools.pairwise(repeated) if flag == "-a"] == expected
