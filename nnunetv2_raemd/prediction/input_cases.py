"""The cases in a folder of images, and what can be told of them before the work starts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.nifti_length import is_cut_off


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

    One that is named as the segmentation of a case is none: predictions may lie beside their images.

    Raises:
        UserError: if there is none.
    """
    numbered = re.compile(rf"(.*)_\d{{4}}{re.escape(file_ending)}", re.DOTALL)
    images: dict[str, list[Path]] = {}
    unnumbered: set[str] = set()
    for file in sorted(folder.glob(f"*{file_ending}")):
        if file.name.startswith("."):  # left by macOS beside each file that it copies
            continue
        if match := numbered.fullmatch(file.name):
            images.setdefault(match[1], []).append(file)
        else:
            unnumbered.add(file.name)
    segmentations = {f"{case_id}{file_ending}" for case_id in images}
    images |= {name: [] for name in unnumbered - segmentations}
    if not images:
        raise UserError(
            f"{folder} contains no image that ends with {file_ending}, as those of the training do"
        )
    return [InputCase(case_id, tuple(images[case_id])) for case_id in sorted(images)]


def problem_with(case: InputCase, expected: InputFormat, previous_stage: Path | None) -> str | None:
    """Why a case cannot be predicted; None where nothing speaks against it.

    Of the images no more than headers and ends are read, unless there is reason to.
    """
    if not case.images:
        return f"its name lacks the channel number, as in CASE_0000{expected.file_ending}"
    names = [f"{case.case_id}_{channel:04d}" for channel in range(expected.n_channels)]
    if [image.name for image in case.images] != [f"{name}{expected.file_ending}" for name in names]:
        return (
            f"there must be {', '.join(names)} with the ending {expected.file_ending} and no "
            f"others, but there are {', '.join(image.name for image in case.images)}"
        )
    if (
        previous_stage is not None
        and not (previous_stage / f"{case.case_id}{expected.file_ending}").is_file()
    ):
        return f"no prediction of the previous stage in {previous_stage}"
    return _problem_with_images(case, expected)


def _problem_with_images(case: InputCase, expected: InputFormat) -> str | None:
    sizes = []
    for image in case.images:
        try:
            sizes.append(read_size(image, expected.reader))
            if is_cut_off(image):
                return f"{image} is cut off: voxels are missing at its end. Copy it again"
        except Exception as error:  # every library has its own for a broken file
            return f"{image} cannot be read: {' '.join(str(error).split())}"
    if len(set(sizes)) > 1:
        return f"its images differ in size: {', '.join(map(str, sizes))}"
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


def input_format(dataset_json: dict[str, Any], reader: str) -> InputFormat:
    """What nnU-Net's dataset.json says of the images; `modality` is its older name for the channels."""
    channels = dataset_json["modality"] if "modality" in dataset_json else dataset_json["channel_names"]
    return InputFormat(dataset_json["file_ending"], len(channels), reader)
