"""`--help` of every command, in a terminal of usual width."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from nnunetv2_raemd.cli import app


def commands(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands below one, each with how it is called."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, *path, name)


ALL = dict(commands(get_command(app)))


def test_all_commands_are_found() -> None:
    assert {("predict",), ("postprocess", "apply"), ("convert", "luna16")} <= ALL.keys()


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_option_is_named_in_full_and_explained(
    path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, [*path, "--help"])
    assert shown.exit_code == 0
    lines = shown.output.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line.endswith("-")], "a name is broken at its hyphen"
    for option in ALL[path].params:
        if option.param_type_name == "option" and not option.hidden:
            assert set(option.opts) <= set(shown.output.replace(",", " ").split()), option.opts
            assert option.help


@pytest.mark.parametrize("path", [path for path in ALL if getattr(ALL[path], "commands", None)], ids=" ".join)
def test_every_command_has_a_summary_that_fits(
    path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, [*path, "--help"]).output
    lines = shown[shown.index("Commands:") :].splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(ALL[path].commands)
    assert all(line.endswith(".") and not line.endswith("..") for line in lines)


def test_luna16s_subsets_are_not_offered_for_other_archives() -> None:
    assert "subsets" in CliRunner().invoke(app, ["convert", "luna16", "--help"]).output
    assert "subsets" not in CliRunner().invoke(app, ["convert", "nsclc-radiomics", "--help"]).output
