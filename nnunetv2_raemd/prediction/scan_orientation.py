"""Scans whose axes are stored in another order than the training's: turned for prediction, and back.

A network that has seen axial slices is given coronal ones where a file is stored so; nnU-Net predicts them
without a word. Axes are only swapped and reversed, so that no voxel changes: the result is to the voxel that
of the scan stored as the training's.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.image_header import ImageHeader, orientation_code, read_image_header
from nnunetv2_raemd.nnunet_files.image_writing import write_whole_image

TURNED_READERS = ("SimpleITKIO", "NibabelIO")
"""nnU-Net's readers that leave the axes as they are stored in the file."""
REORIENTING_READERS = ("SimpleITKIOWithReorient", "NibabelIOWithReorient")
"""Those that turn every image to `REORIENTED`."""
AXIAL, REORIENTED = "LPS", "RAS"
_AXIS_OF = {"L": 0, "R": 0, "P": 1, "A": 1, "S": 2, "I": 2}
_ASKED = 20  # headers of the training


def orientation_of(header: ImageHeader) -> str | None:
    """Where the axes x, y, z of the file grow to, such as "LPS"; None for pictures."""
    if header.direction is None or len(header.size) != 3:
        return None
    return orientation_code(header.direction)


def orientations_of_training(folders: Sequence[Path], file_ending: str, reader: str) -> Counter[str]:
    """How the segmentations of the training are stored, from the first of the folders that holds any."""
    found: Counter[str] = Counter()
    for folder in folders:
        for file in sorted(folder.glob(f"*{file_ending}"))[:_ASKED]:
            try:
                orientation = orientation_of(read_image_header(file, reader))
            except UserError:
                continue
            if orientation is not None:
                found[orientation] += 1
        if found:
            break
    return found


def orientation_to_turn_to(stored: str | None, training: Counter[str], *, is_ct: bool) -> str | None:
    """The orientation in which to predict a scan; None where it is right as it is.

    Where nothing is known of the training, CT is taken to have been axial, and others are left alone.
    """
    if stored is None or stored in training:
        return None
    if training:
        return training.most_common(1)[0][0]
    return AXIAL if is_ct and [_AXIS_OF[letter] for letter in stored] != [0, 1, 2] else None


def orientation_by_the_model_alone(stored: str, reader: str, dataset_json: Mapping[str, Any]) -> str | None:
    """As `orientation_to_turn_to`, by what a model says of itself, for images that nnU-Net does not read."""
    if reader in REORIENTING_READERS:
        return None if stored == REORIENTED else REORIENTED
    if reader not in TURNED_READERS:
        return None
    return orientation_to_turn_to(stored, Counter(), is_ct=is_ct(dataset_json))


def is_ct(dataset_json: Mapping[str, Any]) -> bool:
    """Whether the first channel of the model's images is CT."""
    channels = dataset_json.get("channel_names", dataset_json.get("modality", {}))
    return str(channels.get("0", "")).upper() == "CT"


def about_turning(stored: str | None, turn_to: str, training: Counter[str]) -> str:
    """What is done to a scan, and why."""
    why = (
        "as the images of the training" if training else "on the assumption that the training's CT were axial"
    )
    return (
        f"its axes are stored as {stored}; it is predicted as {turn_to}, {why}, and the segmentation is "
        f"turned back to {stored}"
    )


def turn_file(file: Path, target: Path, orientation: str) -> None:
    """Write an image with its axes in another order or direction."""
    turned = sitk.DICOMOrient(sitk.ReadImage(str(file)), orientation)
    write_whole_image(turned, target, compressed=False)


def turn_back(segmentation: Path, image: Path) -> None:
    """Turn a segmentation to how the image it was made of is stored, and to the numbers in its header.

    With its probabilities (.npz) and nnU-Net's properties (.pkl), where these lie beside it.
    """
    header = sitk.ImageFileReader()
    header.SetFileName(str(image))
    header.ReadImageInformation()
    turned = sitk.ReadImage(str(segmentation))
    from_, to = (orientation_code(one.GetDirection()) for one in (turned, header))
    back = sitk.DICOMOrient(turned, to)
    if back.GetSize() != header.GetSize():
        raise UserError(f"{image}: its segmentation has the size {back.GetSize()}, not {header.GetSize()}")
    back.SetSpacing(header.GetSpacing())
    back.SetOrigin(header.GetOrigin())
    back.SetDirection(header.GetDirection())
    write_whole_image(back, segmentation)
    stem = str(segmentation)[: -len("".join(_endings(segmentation)))]
    if Path(f"{stem}.npz").is_file():
        _turn_probabilities(Path(f"{stem}.npz"), from_, to)
        _correct_properties(Path(f"{stem}.pkl"), image)


def turned_array(array: NDArray[Any], from_: str, to: str) -> NDArray[Any]:
    """An array (..., z, y, x) with its last three axes turned from one orientation to another."""
    axes = [[_AXIS_OF[letter] for letter in reversed(code)] for code in (from_, to)]  # in the array's order
    first = array.ndim - 3
    turned = np.moveaxis(array, [first + axes[0].index(axis) for axis in axes[1]], range(first, array.ndim))
    flipped = [first + i for i, letter in enumerate(reversed(to)) if letter not in from_]
    return np.flip(turned, tuple(flipped))


def _endings(file: Path) -> list[str]:
    return [".nii", ".gz"] if file.name.endswith(".nii.gz") else [file.suffix]


def _turn_probabilities(file: Path, from_: str, to: str) -> None:
    with np.load(file) as arrays:
        turned: dict[str, Any] = {name: turned_array(arrays[name], from_, to) for name in arrays.files}
    np.savez_compressed(file, **turned)


def _correct_properties(file: Path, image: Path) -> None:
    """nnU-Net writes ensembles with the geometry in its properties, which then is the image's again."""
    with file.open("rb") as stream:
        properties = pickle.load(stream)
    header = sitk.ImageFileReader()
    header.SetFileName(str(image))
    header.ReadImageInformation()
    if "sitk_stuff" in properties:
        properties["sitk_stuff"] = {
            "spacing": header.GetSpacing(),
            "origin": header.GetOrigin(),
            "direction": header.GetDirection(),
        }
    else:
        import nibabel  # noqa: PLC0415 - few need it

        opened: Any = nibabel.load(image)
        properties["nibabel_stuff"] = {"original_affine": opened.affine}
    properties["spacing"] = list(header.GetSpacing()[::-1])
    with file.open("wb") as stream:
        pickle.dump(properties, stream)
