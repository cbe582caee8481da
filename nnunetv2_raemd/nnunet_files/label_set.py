"""The targets of a dataset: labels, regions and the ignore label, as nnU-Net reads its dataset.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.dataset_json import DatasetJson


@dataclass(frozen=True)
class Target:
    """What is evaluated: a label (one value) or a region (several)."""

    name: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class LabelSet:
    """The targets of a dataset and the label whose voxels do not count."""

    targets: tuple[Target, ...]
    ignore_label: int | None = None


def labels_of(dataset: DatasetJson) -> LabelSet:
    """Foreground labels, or regions where there are any, in nnU-Net's order.

    Raises:
        UserError: if nnU-Net would not accept the labels.
    """
    from nnunetv2.utilities.label_handling.label_handling import LabelManager  # noqa: PLC0415 - brings torch

    try:
        manager = LabelManager(dataset["labels"], dataset.get("regions_class_order"))
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"the labels of dataset.json are not as nnU-Net wants them: {error}") from error
    wanted = manager.foreground_regions if manager.has_regions else manager.foreground_labels
    names = {_values(value): name for name, value in dataset["labels"].items()}
    targets = tuple(Target(names[_values(value)], _values(value)) for value in wanted)
    return LabelSet(targets, manager.ignore_label)


def labels_from_numbers(numbers: Sequence[int], ignore_label: int | None = None) -> LabelSet:
    """Targets given by number alone."""
    return LabelSet(tuple(Target(f"label {n}", (n,)) for n in dict.fromkeys(numbers)), ignore_label)


def _values(value: Any) -> tuple[int, ...]:
    return tuple(int(v) for v in value) if isinstance(value, list | tuple) else (int(value),)
