"""The targets of a dataset: labels, regions and the ignore label, as nnU-Net reads its dataset.json."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, with_config
from typing_extensions import NotRequired, TypedDict

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.json_file import read_json
from nnunetv2_raemd.nnunet_files.segmentation_file import SIMPLE_ITK

DatasetJson = dict[str, Any]
_ADVICE = "nnU-Net's documentation of the dataset format describes dataset.json"


def _ending(text: str) -> str:
    """Names of cases are continued by it: it must not lead elsewhere."""
    if not re.fullmatch(r"\.[A-Za-z0-9._]+", text):
        raise ValueError(f"file_ending is {text[:60]!r}, but should be like '.nii.gz'")
    return text


Value = Annotated[int, Field(ge=0, le=65535)]
"""Of a label, in segmentations of at most 16 bits."""


class _Listed(TypedDict):
    """A case whose files lie anywhere."""

    images: Annotated[list[str], Field(min_length=1)]
    label: str


@with_config(ConfigDict(extra="allow"))
class DatasetShape(TypedDict):
    """What nnU-Net asks of dataset.json, and we of what it may hold besides."""

    labels: Annotated[dict[str, Value | Annotated[list[Value], Field(min_length=1)]], Field(min_length=1)]
    file_ending: Annotated[str, AfterValidator(_ending)]
    channel_names: NotRequired[Annotated[dict[str, str], Field(min_length=1)]]
    modality: NotRequired[Annotated[dict[str, str], Field(min_length=1)]]
    regions_class_order: NotRequired[list[int]]
    overwrite_image_reader_writer: NotRequired[str]
    dataset: NotRequired[dict[str, _Listed]]


def read_dataset_json(file: Path) -> DatasetJson:
    """A dataset.json with labels and file ending.

    Raises:
        UserError: if it is absent, no JSON, or not as nnU-Net wants it; the message names the key.
    """
    return dict(read_json(file, DatasetShape, _ADVICE))


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
    except Exception as error:  # whatever each of nnU-Net's readers makes of the example
        raise UserError(f"nnU-Net has no reader for {example}: {error}") from error
    return str(reader.__name__)


SIMPLE_ITK_ENDINGS = (".nii.gz", ".nrrd", ".mha", ".gipl")
"""As nnU-Net's SimpleITKIO.supported_file_endings, which comes before its other readers for these."""
