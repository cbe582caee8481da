"""Whether plans.json and dataset.json of a model are those that its checkpoints were trained with.

nnU-Net keeps both in each checkpoint, too. Of another model they may fit the network all the same, and then
images are normalized or resampled otherwise, or labels swapped, without a word.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any

from nnunetv2_raemd.errors import UserError

_OF_PLAN = ("transpose_forward", "foreground_intensity_properties_per_channel")
_OF_CONFIGURATION = ("spacing", "normalization_schemes", "use_mask_for_norm")


def check_trained_with(
    content: Mapping[str, Any], file: Path, plans: Mapping[str, Any], dataset: Mapping[str, Any]
) -> None:
    """Compare what decides on the network's input, and what its outputs mean.

    Labels may have been renamed, as long as no name went to another value, and so may channels.

    Args:
        content: of the checkpoint `file`; formats that keep neither pass.
        plans, dataset: those of the model's folder.

    Raises:
        UserError: if they are not what the model was trained with; the message names the entry.
    """
    arguments = content["init_args"]
    in_plans = differing_in_plans(arguments.get("plans"), plans, arguments["configuration"])
    in_dataset = _in_dataset(_plain(arguments.get("dataset_json")), _plain(dataset))
    differing = [
        *(f"plans.json: {found}" for found in in_plans),
        *(f"dataset.json: {found}" for found in in_dataset),
    ]
    if differing:
        raise UserError(
            f"{file} was trained with another plan or dataset than lies in its model's folder "
            f"({'; '.join(differing)}): copy the whole model again, with all of its files from one training"
        )


def differing_in_plans(then: Any, now: Any, configuration: str) -> list[str]:
    """In what two plans differ of what decides on the network's input; what only one says does not count.

    Args:
        configuration: name of the one that is meant.
    """
    before, after = _plain(then), _plain(now)
    found = list(_differing(before, after, _OF_PLAN))
    of_before, of_after = (_mapping(plans.get("configurations")) for plans in (before, after))
    for name in _line(of_after, configuration):
        pair = _mapping(of_before.get(name)), _mapping(of_after.get(name))
        found += [f"{name}: {one}" for one in _differing(*pair, _OF_CONFIGURATION)]
    return found


def _plain(value: Any) -> dict[str, Any]:
    """As JSON would give it back: tuples as lists, keys as texts."""
    return _mapping(json.loads(json.dumps(value, default=repr)))


def _mapping(value: Any) -> dict[str, Any]:
    """What is none in a stranger's checkpoint is taken for an empty one."""
    return value if isinstance(value, dict) else {}


def _line(configurations: dict[str, Any], name: Any) -> list[str]:
    """A configuration, and those that it inherits from."""
    line: list[str] = []
    while isinstance(name, str) and name not in line:
        line.append(name)
        name = _mapping(configurations.get(name)).get("inherits_from")
    return line


def _in_dataset(then: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    yield from _differing(then, now, ("regions_class_order",))
    before, after = (_mapping(dataset.get("labels")) for dataset in (then, now))
    yield from (f"label {found}" for found in _differing(before, after, tuple(before)))
    values = [sorted(map(str, labels.values())) for labels in (before, after)]
    if before and values[0] != values[1]:
        yield f"labels have the values {', '.join(values[1])}, and had {', '.join(values[0])}"
    places = [
        {str(name): number for number, name in _mapping(dataset.get("channel_names")).items()}
        for dataset in (then, now)
    ]
    yield from (f"channel {found}" for found in _differing(places[0], places[1], tuple(places[0])))


def _differing(then: dict[str, Any], now: dict[str, Any], keys: tuple[str, ...]) -> Iterator[str]:
    """The entries that both have and that differ."""
    for key in keys:
        if key in then and key in now and then[key] != now[key]:
            yield f"{key} is {_shown(now[key])}, and was {_shown(then[key])}"


def _shown(value: Any) -> str:
    return shorten(json.dumps(value), 80, placeholder=" ...")
