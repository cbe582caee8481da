"""The cases in a folder of images, and what can be told of them before the work starts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction.nifti_length import is_cut_off


@dataclass(frozen=True)
class InputCase:
    """The images of one case, one per channel."""

    case_id: str
    images: tuple[Path, ...]


@dataclass(frozen=True)
class InputFormat:
    """What a model expects of a case.

    Attributes:
        file_ending: such as ".nii.gz".
        n_channels: images per case.
        reader: name of nnU-Net's reader class.
    """

    file_ending: str
    n_channels: int
    reader: str


def find_cases(folder: Path, file_ending: str) -> list[InputCase]:
    """The cases in the folder, in nnU-Net's order; a file without channel number is a case without images.

    Raises:
        UserError: if there is none.
    """
    numbered = re.compile(rf"(.*)_\d{{4}}{re.escape(file_ending)}", re.DOTALL)
    images: dict[str, list[Path]] = {}
    for file in sorted(folder.glob(f"*{file_ending}")):
        if file.name.startswith("."):  # left by macOS beside each file that it copies
            continue
        if match := numbered.fullmatch(file.name):
            images.setdefault(match[1], []).append(file)
        else:
            images[file.name] = []
    if not images:
        raise UserError(f"{folder} holds no image that ends with {file_ending}, as those of the training do")
    return [InputCase(case_id, tuple(images[case_id])) for case_id in sorted(images)]


def problem_with(case: InputCase, expected: InputFormat, previous_stage: Path | None) -> str | None:
    """Why a case cannot be predicted, naming the file; None where nothing speaks against it.

    Of the images no more than headers and ends are read, unless there is reason to.
    """
    if not case.images:
        return f"{case.case_id}: its name lacks the channel number, as in CASE_0000{expected.file_ending}"
    if len(case.images) != expected.n_channels:
        names = ", ".join(f"{case.case_id}_{channel:04d}" for channel in range(expected.n_channels))
        return (
            f"{case.case_id}: {len(case.images)} images of {expected.n_channels}; "
            f"there must be {names} with the ending {expected.file_ending}"
        )
    if (
        previous_stage is not None
        and not (previous_stage / f"{case.case_id}{expected.file_ending}").is_file()
    ):
        return f"{case.case_id}: no prediction of the previous stage in {previous_stage}"
    return _problem_with_images(case, expected)


def _problem_with_images(case: InputCase, expected: InputFormat) -> str | None:
    sizes = []
    for image in case.images:
        try:
            sizes.append(read_size(image, expected.reader))
            if expected.file_ending in (".nii", ".nii.gz") and is_cut_off(image):
                return f"{image} is cut off: voxels are missing at its end. Copy it again"
        except Exception as error:  # every library has its own for a broken file
            return f"{image} cannot be read: {' '.join(str(error).split())}"
    if len(set(sizes)) > 1:
        return f"{case.case_id}: its images differ in size: {', '.join(map(str, sizes))}"
    return None


def read_size(image: Path, reader: str) -> tuple[int, ...]:
    """The size in the header of an image; (0,) where the reader knows no headers.

    Raises:
        Exception: that of the library, if there is no such header.
    """
    if reader == "SimpleITKIO":
        header = sitk.ImageFileReader()
        header.SetFileName(str(image))
        header.ReadImageInformation()
        return tuple(header.GetSize())
    if reader.startswith("NibabelIO"):
        opened: Any = nibabel.load(image)
        return tuple(opened.shape)
    if image.stat().st_size == 0:
        raise ValueError("it is empty")
    return (0,)


def as_nnunet_lists(cases: Sequence[InputCase], output: Path) -> tuple[list[list[str]], list[str]]:
    """Cases as nnU-Net's predictor takes them: the images of each, and its output without the ending."""
    images = [[str(image) for image in case.images] for case in cases]
    return images, [str(output / case.case_id) for case in cases]


def input_format(dataset_json: dict[str, Any], reader: str) -> InputFormat:
    """What nnU-Net's dataset.json says of the images; `modality` is its older name for the channels."""
    channels = dataset_json["modality"] if "modality" in dataset_json else dataset_json["channel_names"]
    return InputFormat(dataset_json["file_ending"], len(channels), reader)
