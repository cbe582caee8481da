"""postprocessing_raemd.json: the settings of every label, and why they were chosen."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.label_set import Target
from nnunetv2_raemd.postprocessing.postprocessing_steps import Postprocessing
from nnunetv2_raemd.postprocessing.search import NEED_PROBABILITIES, Trial
from nnunetv2_raemd.version import __version__
from nnunetv2_raemd.whole_files import write_json

FORMAT = "nnunetv2-raemd postprocessing, version 1"


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
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}, not {FORMAT!r}")
        return [_label(label) for label in content["labels"]]
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error}): run raemd postprocess determine first") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} contains no settings of raemd postprocess: {error!r}") from error


def _label(label: dict[str, Any]) -> LabelSettings:
    chosen = {field.name: label[field.name] for field in fields(Postprocessing)}
    for name, value in chosen.items():
        if name == "threshold" and value is None:
            continue
        highest = 1.0 if name in NEED_PROBABILITIES else math.inf
        if not isinstance(value, int | float) or not 0 <= value <= highest or value == math.inf:
            raise ValueError(
                f"{name} of {label['name']} is {value!r}, which is not a number from 0 to {highest:g}"
            )
    target = Target(str(label["name"]), tuple(int(value) for value in label["values"]))
    return LabelSettings(target, Postprocessing(**chosen))
