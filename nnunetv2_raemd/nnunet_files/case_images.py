"""Where nnUNet_raw keeps the image of each case."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.dataset_json import DatasetJson, read_dataset_json, reader_name
from nnunetv2_raemd.nnunet_files.segmentation_file import SIMPLE_ITK


@dataclass(frozen=True)
class CaseImage:
    """Where the image of a case is: its first channel, and that channel's name in dataset.json."""

    file: Path
    channel: str
    reader: str = SIMPLE_ITK


def find_images(raw: Path, case_ids: Iterable[str], file_ending: str) -> dict[str, CaseImage]:
    """The first channel of each case, whether its file exists or not.

    Args:
        raw: nnUNet_raw/DATASET.
        file_ending: of the references; for where dataset.json, which has it too, is not there.
    """
    try:
        dataset = read_dataset_json(raw / "dataset.json")
    except UserError:
        dataset = {"file_ending": file_ending}
    return {case: _image(raw, case, dataset) for case in case_ids}


def _image(raw: Path, case_id: str, dataset: DatasetJson) -> CaseImage:
    listed = dataset.get("dataset", {}).get(case_id)  # nnU-Net also takes images from anywhere
    ending = dataset["file_ending"]
    name = os.path.expandvars(listed["images"][0]) if listed else f"imagesTr/{case_id}_0000{ending}"
    channel = str(dataset.get("channel_names", {}).get("0", ""))
    try:
        return CaseImage(raw / name, channel, reader_name(dataset, raw / name))
    except UserError:
        return CaseImage(raw / name, channel)
