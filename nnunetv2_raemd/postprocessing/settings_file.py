"""postprocessing_raemd.json: the settings of every label, and why they were chosen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from nnunetv2_raemd.nnunet_files.json_file import parse_json, read_json
from nnunetv2_raemd.nnunet_files.label_set import Target
from nnunetv2_raemd.postprocessing.postprocessing_steps import Postprocessing
from nnunetv2_raemd.postprocessing.search_trial import Trial
from nnunetv2_raemd.version import __version__
from nnunetv2_raemd.whole_files import write_json

FORMAT = "nnunetv2-raemd postprocessing, version 1"
ADVICE = "Run raemd postprocess determine (again)"


@dataclass(frozen=True)
class LabelSettings:
    """What was chosen for one label, and the trials behind it."""

    target: Target
    settings: Postprocessing
    trials: tuple[Trial, ...] = ()


def save_settings(labels: list[LabelSettings], file: Path, about: Mapping[str, Any]) -> None:
    """Write the settings whole or not at all; `about` tells on what cases they were chosen.

    Raises:
        UserError: if the file cannot be written.
    """
    content = {
        "format": FORMAT,
        "written_by": f"nnunetv2-raemd {__version__}",
        **about,
        "labels": [
            {
                "name": label.target.name,
                "values": list(label.target.values),
                **asdict(label.settings),
                "trials": [{**asdict(trial), "kept": trial.kept} for trial in label.trials],
            }
            for label in labels
        ],
    }
    write_json(file, content)


def load_settings(file: Path) -> list[LabelSettings]:
    """The settings in such a file, also one changed by hand; the trials are left out.

    Raises:
        UserError: if it is absent, no such file, or holds a value that is none.
    """
    return _settings(read_json(file, _Saved, ADVICE))


def settings_in(content: Mapping[str, Any], file: Path) -> list[LabelSettings]:
    """The settings in what such a file held, as another one keeps it; `file` is that one, for messages.

    Raises:
        UserError: as `load_settings`.
    """
    return _settings(parse_json(json.dumps(content).encode(), _Saved, file, ADVICE))


_Probability = Annotated[float, Field(ge=0, le=1)]
_Radius = Annotated[float, Field(ge=0, le=100)]  # mm; memory grows with its cube


@with_config(ConfigDict(extra="ignore"))
class _SavedLabel(TypedDict):
    """A label, and what `Postprocessing` holds."""

    name: str
    values: Annotated[list[int], Field(min_length=1)]
    threshold: _Probability | None
    opening_mm: _Radius
    closing_mm: _Radius
    fill_holes: bool
    min_volume_mm3: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    min_probability: _Probability


@with_config(ConfigDict(extra="ignore"))
class _Saved(TypedDict):
    format: Literal["nnunetv2-raemd postprocessing, version 1"]
    labels: list[_SavedLabel]


def _settings(saved: _Saved) -> list[LabelSettings]:
    return [_label(label) for label in saved["labels"]]


def _label(label: _SavedLabel) -> LabelSettings:
    chosen: dict[str, Any] = {field.name: label[field.name] for field in fields(Postprocessing)}  # type: ignore[literal-required]
    return LabelSettings(Target(label["name"], tuple(label["values"])), Postprocessing(**chosen))
