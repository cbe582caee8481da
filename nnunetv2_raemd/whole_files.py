"""Files written whole or not at all, or an error that says so."""

from __future__ import annotations

import json
import os
from pathlib import Path

from nnunetv2_raemd.errors import UserError


def write_json(path: Path, content: object) -> None:
    """Write `content` as JSON, whole or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write `text`, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(file: Path, text: str) -> None:
    """Write a text file whole or not at all, and its folder where that is missing.

    Raises:
        UserError: if it cannot be written.
    """
    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text, encoding="utf-8", newline="")
        unfinished.replace(file)
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error}") from error
