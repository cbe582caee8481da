"""A folder of segmentations, one file a case."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.dataset_json import DatasetJson, reader_name
from nnunetv2_raemd.nnunet_files.segmentation_file import SIMPLE_ITK


@dataclass(frozen=True)
class ReferenceFolder:
    """References, one file a case.

    Attributes:
        file_ending: what follows the case's name, such as ".nii.gz"; that of the predictions too.
        reader: name of nnU-Net's reader class for them.
    """

    path: Path
    file_ending: str
    reader: str = SIMPLE_ITK

    def case_ids(self) -> list[str]:
        """The cases that have a reference, in order."""
        return list_cases(self.path, self.file_ending)


def list_cases(folder: Path, file_ending: str) -> list[str]:
    """The cases that have a file in that folder, in order.

    Raises:
        UserError: if it is not a folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder")
    names = sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))
    return [name.removesuffix(file_ending) for name in names if name.endswith(file_ending)]


def find_references(folder: Path, description: DatasetJson) -> ReferenceFolder:
    """The references in a folder, and nnU-Net's reader for them.

    Raises:
        UserError: if there are none or nnU-Net has no reader.
    """
    ending = str(description["file_ending"])
    case_ids = list_cases(folder, ending)
    if not case_ids:
        raise UserError(f"{folder} contains no reference that ends with {ending}")
    return ReferenceFolder(folder, ending, reader_name(description, folder / f"{case_ids[0]}{ending}"))
