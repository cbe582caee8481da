"""Presets: the settings with which an nnU-Net plan becomes a RAEMD plan, as JSON files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.json_file import read_json

PRESET_FOLDER = Path(__file__).parent
DEFAULT_PRESET = "raemd"


@dataclass(frozen=True)
class Preset:
    """Settings of the network and of the sequences it is trained on; `plans/README.md` documents each.

    Raises:
        ValueError: if a number is out of its range.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    description: str
    multi_scale: bool
    dense: bool
    attention: bool
    decoder_convolutions: int | None
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
        if self.decoder_convolutions is not None and self.decoder_convolutions < 1:
            raise ValueError(f"decoder_convolutions must be at least 1, got {self.decoder_convolutions}")
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
    return read_json(file, Preset, f"Every key is documented in {PRESET_FOLDER / 'README.md'}")


def _preset_file(name_or_path: str | Path) -> Path:
    for file in (PRESET_FOLDER / f"{name_or_path}.json", Path(name_or_path)):
        if file.exists() and not file.is_dir():
            return file
    known = ", ".join(sorted(file.stem for file in PRESET_FOLDER.glob("*.json")))
    raise UserError(f"no preset {str(name_or_path)!r}: give one of {known}, or the path of a JSON file")
