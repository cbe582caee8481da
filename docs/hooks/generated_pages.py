"""Pages made from what they describe: the commands from `--help`, the plan keys from plans/README.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.main import get_command
from typer.testing import CliRunner

from nnunetv2_raemd.cli import app

PLANS = Path(__file__).resolve().parents[2] / "plans" / "README.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """MkDocs' event: add the generated pages."""
    plan_keys = PLANS.read_text(encoding="utf-8").replace("# Network plans", "# Plan keys", 1)
    for page, content in {"commands.md": command_reference(), "plan-keys.md": plan_keys}.items():
        files.append(File.generated(config, page, content=content))
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
