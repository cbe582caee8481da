"""The cases in a folder of images, and what is known of them before the work starts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.image_header import ImageHeader, read_image_header

IMAGE_ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".gipl", ".png", ".bmp", ".tif", ".tiff", ".dcm")
_OURS = ("dataset.json", "plans.json", "predict_from_raw_data_args.json")
_PLACE_TOLERANCE_MM = 1e-2
_ANGLE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class InputCase:
    """The images of one case.

    Attributes:
        images: one per channel, or one with all channels where the format has colours.
        turn_to: axes to which the images are turned before prediction, such as "LPS"; None as they are.
    """

    case_id: str
    images: tuple[Path, ...]
    turn_to: str | None = None


@dataclass(frozen=True)
class InputFormat:
    """What a model expects of a case.

    Attributes:
        file_ending: such as ".nii.gz".
        n_channels: channels per case.
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
        others = sorted(file.name for file in folder.iterdir() if _is_image(file))[:5]
        there = f", but {', '.join(others)}" if others else ""
        raise UserError(
            f"{folder} holds no image that ends with {file_ending}, as those of the training do{there}"
        )
    return [InputCase(case_id, tuple(images[case_id])) for case_id in sorted(images)]


def images_of_other_formats(folder: Path, file_ending: str) -> Iterator[str]:
    """Why each image in the folder that no case has is not predicted."""
    for file in sorted(folder.iterdir()):
        if _is_image(file) and not file.name.endswith(file_ending):
            yield f"{file} does not end with {file_ending}, as the images of the training do: convert it"


def other_files(folder: Path, cases: Iterable[InputCase]) -> list[str]:
    """Names in the folder that are neither images nor what a prediction leaves beside them."""
    results = {f"{case.case_id}{ending}" for case in cases for ending in (".npz", ".pkl")}
    return sorted(
        file.name
        for file in folder.iterdir()
        if not _is_image(file) and not file.name.startswith(".") and file.name not in {*results, *_OURS}
    )


def check_names(case: InputCase, expected: InputFormat, previous_stage: Path | None) -> None:
    """Raise a `UserError` if a channel's number or the prediction of the previous stage is missing."""
    ending = expected.file_ending
    if not case.images:
        raise UserError(f"{case.case_id}: its name lacks the channel number, as in CASE_0000{ending}")
    n_files = len(case.images)
    names = [f"{case.case_id}_{channel:04d}" for channel in range(max(n_files, 1))]
    if [image.name for image in case.images] != [f"{name}{ending}" for name in names]:
        names = [f"{case.case_id}_{channel:04d}" for channel in range(expected.n_channels)]
        raise UserError(
            f"{case.case_id}: there must be {', '.join(names)} with the ending {ending} and no others, but "
            f"there are {', '.join(image.name for image in case.images)}"
        )
    if previous_stage is not None and not (previous_stage / f"{case.case_id}{ending}").is_file():
        raise UserError(f"{case.case_id}: no prediction of the previous stage in {previous_stage}")


def check_channels(case: InputCase, expected: InputFormat) -> list[ImageHeader]:
    """The headers of a case's images.

    Raises:
        UserError: if one cannot be read, there are more or fewer channels than the model's, or they differ in
            size or spacing.
    """
    headers = [read_image_header(image, expected.reader) for image in case.images]
    n_channels = sum(header.n_channels for header in headers)
    if n_channels != expected.n_channels:
        files = ", ".join(image.name for image in case.images)
        wanted = ", ".join(f"{case.case_id}_{channel:04d}" for channel in range(expected.n_channels))
        raise UserError(
            f"{case.case_id}: the model takes {expected.n_channels} channel(s), as {wanted}, but {files} "
            f"{'have' if len(headers) > 1 else 'has'} {n_channels}"
        )
    if len({header.size for header in headers}) > 1:
        sizes = ", ".join(str(header.size) for header in headers)
        raise UserError(f"{case.case_id}: its images differ in size: {sizes}")
    if not _same([header.spacing_mm for header in headers], _PLACE_TOLERANCE_MM / 10):
        spacings = ", ".join(str(header.spacing_mm) for header in headers)
        raise UserError(f"{case.case_id}: its images differ in spacing (mm): {spacings}")
    return headers


def lie_on_one_grid(headers: Sequence[ImageHeader]) -> bool:
    """Whether the channels of a case are at the same place; nnU-Net predicts them also where they are not."""
    return _same([header.origin_mm for header in headers], _PLACE_TOLERANCE_MM) and _same(
        [header.direction for header in headers], _ANGLE_TOLERANCE
    )


def input_format(dataset_json: dict[str, Any], reader: str) -> InputFormat:
    """What nnU-Net's dataset.json says of the images; `modality` is its older name for the channels."""
    channels = dataset_json.get("modality", dataset_json.get("channel_names"))
    if channels is None:
        raise UserError("dataset.json has no channel_names: it is not as nnU-Net writes it")
    return InputFormat(dataset_json["file_ending"], len(channels), reader)


def _same(values: Sequence[tuple[float, ...] | None], tolerance: float) -> bool:
    known = [value for value in values if value is not None]
    return all(np.allclose(value, known[0], rtol=0, atol=tolerance) for value in known)


def _is_image(file: Path) -> bool:
    return file.name.lower().endswith(IMAGE_ENDINGS) and not file.name.startswith(".")
