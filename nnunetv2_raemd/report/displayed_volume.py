"""Images and segmentations as arrays for display: axial slices, feet to head, as a radiologist sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.segmentation_file import SIMPLE_ITK

DISPLAYED = "LPS"  # columns grow to the patient's left, rows to the back, slices to the head


@dataclass(frozen=True)
class Volume:
    """Voxels (z, y, x) and their spacing in that order.

    Attributes:
        sides: of the patient, to the left and to the right of a slice; empty where they are unknown.
    """

    voxels: NDArray[Any]
    spacing_mm: tuple[float, float, float]
    sides: tuple[str, ...] = ()


def read_volume(file: Path, reader: str = SIMPLE_ITK) -> Volume:
    """Read an image or segmentation with one channel; of more, the first.

    Files of nnU-Net's SimpleITK reader are turned to `DISPLAYED`, others stay as they are stored.

    Args:
        reader: name of nnU-Net's reader class.

    Raises:
        UserError: if the file is absent or cannot be read.
    """
    if not file.is_file():
        raise UserError(f"{file} does not exist")
    try:
        return _with_simple_itk(file) if reader == SIMPLE_ITK else _with_nnunet(file, reader)
    except Exception as error:  # every library has its own for a broken file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{file} cannot be read: {reason[:200]}") from error


def _with_simple_itk(file: Path) -> Volume:
    image = sitk.ReadImage(str(file))
    if image.GetDimension() == 2:
        x, y = image.GetSpacing()
        return Volume(sitk.GetArrayFromImage(image)[None], (1.0, y, x))
    turned = sitk.DICOMOrient(image, DISPLAYED)
    x, y, z = turned.GetSpacing()
    return Volume(sitk.GetArrayFromImage(turned), (z, y, x), ("R", "L"))


def _with_nnunet(file: Path, reader: str) -> Volume:
    from nnunetv2.imageio.reader_writer_registry import recursive_find_reader_writer_by_name  # noqa: PLC0415

    array, properties = recursive_find_reader_writer_by_name(reader)().read_images([str(file)])
    z, y, x = (float(mm) for mm in properties["spacing"])
    return Volume(np.asarray(array[0]), (z, y, x))
