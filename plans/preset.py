"""Presets: the settings with which an nnU-Net plan becomes a RAEMD plan, as JSON files."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from nnunetv2_raemd.errors import UserError

PRESET_FOLDER = Path(__file__).parent
DEFAULT_PRESET = "raemd"


@dataclass(frozen=True)
class Preset:
    """Settings of the network and of the sequences it is trained on; `plans/README.md` documents each.

    Raises:
        ValueError: if a number is out of its range.
    """

    description: str
    multi_scale: bool
    dense: bool
    attention: bool
    recurrence_min_pixel_mm: float | None
    growth_divisor: int
    hidden_divisor: int
    context_mm: float
    min_slices: int
    max_slices: int
    gpu_memory_gb: float

    def __post_init__(self) -> None:
        for name in ("growth_divisor", "hidden_divisor", "min_slices"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("context_mm", "gpu_memory_gb", "recurrence_min_pixel_mm"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:  # JSON in Python has NaN and Infinity
                raise ValueError(f"{name} must be a number above 0, got {value}")
        if self.max_slices < self.min_slices:
            raise ValueError(f"max_slices ({self.max_slices}) is below min_slices ({self.min_slices})")


def load_preset(name_or_path: str | Path = DEFAULT_PRESET) -> Preset:
    """The preset of that name in `plans/`, or the one in that JSON file.

    Raises:
        UserError: if there is no such preset or a key is missing, unknown or has a wrong value.
    """
    file = _preset_file(name_or_path)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:  # not JSON, or no text at all
        raise UserError(
            f"{file}: not valid JSON ({error}). Compare it with the presets in {PRESET_FOLDER}"
        ) from error
    try:
        return Preset(**_checked(content))
    except ValueError as error:
        raise UserError(
            f"{file}: {error}. Every key is documented in {PRESET_FOLDER / 'README.md'}"
        ) from error


def _preset_file(name_or_path: str | Path) -> Path:
    for file in (PRESET_FOLDER / f"{name_or_path}.json", Path(name_or_path)):
        if file.is_file():
            return file
    known = ", ".join(sorted(file.stem for file in PRESET_FOLDER.glob("*.json")))
    raise UserError(f"no preset {str(name_or_path)!r}: give one of {known}, or the path of a JSON file")


def _checked(content: Any) -> dict[str, Any]:
    """The content of a preset file with every key present, known and of its type."""
    if not isinstance(content, dict):
        raise ValueError("a preset is a JSON object")
    expected = {field.name: str(field.type) for field in fields(Preset)}
    if unknown := sorted(content.keys() - expected.keys()):
        raise ValueError(f"unknown key(s) {', '.join(unknown)}")
    if missing := sorted(expected.keys() - content.keys()):
        raise ValueError(f"missing key(s) {', '.join(missing)}")
    for name, type_name in expected.items():
        if not _has_type(content[name], type_name):
            raise ValueError(f"{name} must be {type_name}, got {content[name]!r}")
    return content


def _has_type(value: Any, type_name: str) -> bool:
    """Whether a JSON value is of a field's type; JSON's true is not a number, but its 20 is a float."""
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return {
        "str": isinstance(value, str),
        "bool": isinstance(value, bool),
        "int": is_integer,
        "float | None": is_integer or isinstance(value, float) or value is None,
        "float": is_integer or isinstance(value, float),
    }[type_name]
