"""The targets of a dataset: labels, regions and the ignore label, as nnU-Net reads its dataset.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.results import LabelSet, Target
from nnunetv2_raemd.evaluation.segmentation_file import SIMPLE_ITK

DatasetJson = dict[str, Any]


def read_dataset_json(file: Path) -> DatasetJson:
    """A dataset.json with labels and file ending.

    Raises:
        UserError: if it is absent, no JSON, or lacks one of them.
    """
    try:
        content: DatasetJson = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{file} does not exist") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read: {error}") from error
    for key in ("labels", "file_ending"):
        if key not in content:
            raise UserError(f"{file} is no dataset.json of nnU-Net's: it has no {key!r}")
    return content


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


def reader_name(dataset: DatasetJson, example: Path) -> str:
    """The name of nnU-Net's class that reads the dataset's segmentations.

    Raises:
        UserError: if nnU-Net has none for the file ending.
    """
    chosen = str(dataset.get("overwrite_image_reader_writer", "None"))
    if chosen in ("None", SIMPLE_ITK) and str(dataset["file_ending"]).lower() in SIMPLE_ITK_ENDINGS:
        return SIMPLE_ITK
    from nnunetv2.imageio.reader_writer_registry import (  # noqa: PLC0415 - brings torch and more
        determine_reader_writer_from_dataset_json,
    )

    try:
        reader = determine_reader_writer_from_dataset_json(dataset, str(example), verbose=False)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"nnU-Net has no reader for {example}: {error}") from error
    return str(reader.__name__)


SIMPLE_ITK_ENDINGS = (".nii.gz", ".nrrd", ".mha", ".gipl")
"""As nnU-Net's SimpleITKIO.supported_file_endings, which comes before its other readers for these."""


def _values(value: Any) -> tuple[int, ...]:
    return tuple(int(v) for v in value) if isinstance(value, list | tuple) else (int(value),)
