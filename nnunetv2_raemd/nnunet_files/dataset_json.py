"""The targets of a dataset: labels, regions and the ignore label, as nnU-Net reads its dataset.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.segmentation_file import SIMPLE_ITK

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
            raise UserError(f"{file} is not a dataset.json of nnU-Net: it has no {key!r}")
    return content


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
