"""The targets of a dataset: labels, regions and the ignore label, as nnU-Net reads its dataset.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.errors import UserError, reason_of
from nnunetv2_raemd.nnunet_files.dataset_json import DatasetJson

_SHOWN = 5


@dataclass(frozen=True)
class Target:
    """What is evaluated: a label (one value) or a region (several)."""

    name: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class LabelSet:
    """The targets of a dataset and the label whose voxels do not count.

    Attributes:
        known_values: all values that a segmentation may hold; None where the user named some labels only.
    """

    targets: tuple[Target, ...]
    ignore_label: int | None = None
    known_values: tuple[int, ...] | None = None

    @property
    def has_regions(self) -> bool:
        """Whether targets may overlap, so that nnU-Net gives each a probability of its own."""
        return any(len(target.values) > 1 for target in self.targets)

    @property
    def of_predictions(self) -> LabelSet:
        """What a prediction may hold: nnU-Net predicts all but the ignore label."""
        known = self.known_values and tuple(v for v in self.known_values if v != self.ignore_label)
        return replace(self, ignore_label=None, known_values=known)

    def counted_prediction(self, prediction: NDArray[Any], reference: NDArray[Any]) -> NDArray[Any]:
        """Without the ignore label where the reference has it, too: nothing counts there."""
        if self.ignore_label is None:
            return prediction
        ignored = (prediction == self.ignore_label) & (reference == self.ignore_label)
        return np.where(ignored, 0, prediction)

    def about_unknown_values(self, labels: NDArray[Any], file: Path) -> str | None:
        """A sentence on the values in a file that are no label; None where there are none."""
        if not (values := self.unknown_values(labels)):
            return None
        shown = ", ".join(f"{value:.6g}" for value in values[:_SHOWN])
        more = " ..." if len(values) > _SHOWN else ""
        return f"{file} holds values that are no label: {shown}{more}"

    def check_known(self, labels: NDArray[Any], file: Path) -> None:
        """Raise a `UserError` if the file holds values that are no label."""
        if (about := self.about_unknown_values(labels, file)) is not None:
            raise UserError(about)

    def check_known_prediction(self, prediction: NDArray[Any], reference: NDArray[Any], file: Path) -> None:
        """As `check_known`, of the file of a prediction: the ignore label only where the reference has it."""
        self.of_predictions.check_known(self.counted_prediction(prediction, reference), file)

    def unknown_values(self, labels: NDArray[Any]) -> list[float]:
        """The values of a segmentation that are no label, in order.

        Where only some labels were named, any other may be one too, unless none of the named ones is there.
        """
        found = set().union(*(np.unique(in_slice).tolist() for in_slice in labels)) - {0, self.ignore_label}
        named = {value for target in self.targets for value in target.values}
        if self.known_values is None:
            return [] if found & named else sorted(found)
        return sorted(found - named - set(self.known_values))


def labels_of(dataset: DatasetJson) -> LabelSet:
    """Foreground labels, or regions where there are any, in nnU-Net's order.

    Raises:
        UserError: if nnU-Net would not accept the labels.
    """
    from nnunetv2.utilities.label_handling.label_handling import LabelManager  # noqa: PLC0415 - brings torch

    _check_values_differ(dataset)
    try:
        manager = LabelManager(dataset["labels"], dataset.get("regions_class_order"))
    except Exception as error:  # nnU-Net asserts, and looks up what may not be there
        raise UserError(
            f"the labels of dataset.json are not as nnU-Net wants them: {reason_of(error)}"
        ) from error
    wanted = manager.foreground_regions if manager.has_regions else manager.foreground_labels
    names = {_values(value): name for name, value in dataset["labels"].items()}
    targets = tuple(Target(names[_values(value)], _values(value)) for value in wanted)
    known = sorted({value for label in dataset["labels"].values() for value in _values(label)})
    return LabelSet(targets, manager.ignore_label, tuple(known))


def _check_values_differ(dataset: DatasetJson) -> None:
    """nnU-Net takes the last of several names of one value: the others would be missing in all results."""
    names: dict[tuple[int, ...], str] = {}
    for name, value in dataset["labels"].items():
        other = names.setdefault(tuple(sorted(set(_values(value)))), name)
        if other != name:
            raise UserError(f"dataset.json: the labels {other} and {name} have the same value, {value}")


def labels_from_numbers(numbers: Sequence[int], ignore_label: int | None = None) -> LabelSet:
    """Targets given by number alone, in the order of their numbers."""
    return LabelSet(tuple(Target(f"label {n}", (n,)) for n in sorted(set(numbers))), ignore_label)


def _values(value: Any) -> tuple[int, ...]:
    return tuple(int(v) for v in value) if isinstance(value, list | tuple) else (int(value),)
