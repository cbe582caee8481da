"""Writes the page commands.md from the command line itself: what `--help` says of every command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.main import get_command
from typer.testing import CliRunner

from nnunetv2_raemd.cli import app

PAGE = "commands.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """MkDocs' event: add the generated page."""
    files.append(File.generated(config, PAGE, content=command_reference()))
    return files


def command_reference() -> str:
    """The page in Markdown."""
    sections = [_section(path) for path in _all_commands(get_command(app))]
    return "\n".join(["# Commands", "", "What `--help` says of each command.", "", *sections])


def _all_commands(command: Any, *path: str) -> Iterator[tuple[str, ...]]:
    below = getattr(command, "commands", {})
    if not below:
        yield path
    for name, child in below.items():
        yield from _all_commands(child, *path, name)


def _section(path: tuple[str, ...]) -> str:
    shown = CliRunner().invoke(app, [*path, "--help"], prog_name="raemd", env={"COLUMNS": "88"})
    return f"## raemd {' '.join(path)}\n\n```text\n{shown.output.strip()}\n```\n"
