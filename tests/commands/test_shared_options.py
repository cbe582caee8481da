"""Options declared once, as the fields of a dataclass, and taken by several commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from nnunetv2_raemd.commands.shared_options import with_options_of


@dataclass(frozen=True)
class Shared:
    source: Annotated[str, typer.Option("--source", "-s")]
    workers: Annotated[int, typer.Option(min=1)] = 4
    strict: Annotated[bool, typer.Option("--strict")] = False


@pytest.fixture
def called() -> list[tuple[Any, ...]]:
    """What the commands were called with."""
    return []


@pytest.fixture
def app(called: list[tuple[Any, ...]]) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @with_options_of(Shared)
    def one(shared: Shared, *, name: Annotated[str, typer.Option()] = "ONE") -> None:
        """The first."""
        called.append((shared, name))

    @app.command()
    @with_options_of(Shared)
    def other(shared: Shared) -> None:
        """The second."""
        called.append((shared,))

    return app


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["one", "-s", "a"], (Shared("a"), "ONE")),
        (["one", "--name", "N", "--strict", "-s", "a", "--workers", "2"], (Shared("a", 2, True), "N")),
        (["other", "--source", "b", "--workers", "7"], (Shared("b", 7),)),
    ],
)
def test_each_command_gets_the_values(
    app: typer.Typer, called: list[tuple[Any, ...]], typed: list[str], expected: tuple[Any, ...]
) -> None:
    assert CliRunner().invoke(app, typed).exit_code == 0
    assert called == [expected]


@pytest.mark.parametrize(
    "typed", [["other"], ["other", "-s", "a", "--workers", "0"], ["other", "--name", "N"]]
)
def test_what_is_wrong_is_refused_before_the_command(
    app: typer.Typer, called: list[tuple[Any, ...]], typed: list[str]
) -> None:
    assert CliRunner().invoke(app, typed).exit_code == 2
    assert not called


def test_help_has_required_options_then_the_commands_own_then_the_rest(app: typer.Typer) -> None:
    shown = CliRunner().invoke(app, ["one", "--help"]).output
    places = [shown.index(word) for word in ("The first.", "--source", "--name", "--workers", "--strict")]
    assert places == sorted(places)
