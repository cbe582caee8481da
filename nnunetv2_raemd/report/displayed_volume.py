"""Images and segmentations as arrays for display: axial slices, feet to head, as a radiologist sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunetv2_raemd.errors import UserError, reason_of_reader
from nnunetv2_raemd.nnunet_files.segmentation_file import SIMPLE_ITK, Geometry, geometry_of
from nnunetv2_raemd.nnunet_files.whole_image import check_is_whole

DISPLAYED = "LPS"  # columns grow to the patient's left, rows to the back, slices to the head

_SIMPLE_ITK_READS = (".nii", ".nii.gz", ".nrrd", ".mha", ".gipl")


@dataclass(frozen=True)
class Volume:
    """Voxels (z, y, x) and their grid.

    Attributes:
        sides: of the patient, to the left and to the right of a slice; empty where they are unknown.
    """

    voxels: NDArray[Any]
    geometry: Geometry
    sides: tuple[str, ...] = ()


def read_volume(file: Path, reader: str = SIMPLE_ITK) -> Volume:
    """Read an image or segmentation with one channel; of more, the first.

    What SimpleITK can read is turned to `DISPLAYED`, whatever reader the dataset names; pictures without a
    direction stay as they are stored.

    Args:
        reader: name of nnU-Net's reader class.

    Raises:
        UserError: if the file is absent, cut off, damaged or cannot be read.
    """
    check_is_whole(file)
    try:
        return _with_simple_itk(file) if file.name.endswith(_SIMPLE_ITK_READS) else _with_nnunet(file, reader)
    except Exception as error:  # every library has its own for a broken file
        raise UserError(f"{file} cannot be read: {reason_of_reader(error)[:300]}") from error


def _with_simple_itk(file: Path) -> Volume:
    image = sitk.ReadImage(str(file))
    if image.GetDimension() == 2:
        x, y = image.GetSpacing()
        voxels = sitk.GetArrayFromImage(image)[None]
        return Volume(voxels, geometry_of(voxels, (1.0, y, x), image.GetOrigin(), image.GetDirection()))
    turned = sitk.DICOMOrient(image, DISPLAYED)
    voxels, spacing = sitk.GetArrayFromImage(turned), turned.GetSpacing()[::-1]
    return Volume(voxels, geometry_of(voxels, spacing, turned.GetOrigin(), turned.GetDirection()), ("R", "L"))


def _with_nnunet(file: Path, reader: str) -> Volume:
    from nnunetv2.imageio.reader_writer_registry import recursive_find_reader_writer_by_name  # noqa: PLC0415

    array, properties = recursive_find_reader_writer_by_name(reader)().read_images([str(file)])
    voxels = np.asarray(array[0])
    return Volume(voxels, geometry_of(voxels, properties["spacing"], None, None))
