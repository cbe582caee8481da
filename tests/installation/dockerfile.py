"""The Dockerfile as instructions."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
Instructions = list[tuple[str, str]]
"""Name and arguments of each, continued lines joined."""


def read_dockerfile() -> Instructions:
    text = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


def last_stage(instructions: Instructions) -> Instructions:
    """What the image consists of; the stages before are thrown away."""
    names = [name for name, _ in instructions]
    return instructions[len(names) - 1 - names[::-1].index("FROM") :]


def arguments(instructions: Instructions, name: str) -> list[str]:
    return [rest for found, rest in instructions if found == name]
