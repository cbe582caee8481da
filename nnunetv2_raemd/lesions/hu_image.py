"""The CT image that lesions are measured in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import SimpleITK as sitk
from numpy.typing import NDArray

from nnunetv2_raemd.errors import UserError, reason_of_reader
from nnunetv2_raemd.nnunet_files.finite_voxels import check_is_finite, check_nifti_is_finite
from nnunetv2_raemd.nnunet_files.image_axes import check_right_angles
from nnunetv2_raemd.nnunet_files.segmentation_file import Geometry
from nnunetv2_raemd.nnunet_files.spacing_header import check_spacing_is_told
from nnunetv2_raemd.nnunet_files.whole_image import check_is_whole


def read_ct(file: Path) -> sitk.Image:
    """The image.

    Raises:
        UserError: if the file is absent, cut off, cannot be read, does not hold a single 3D image, tells no
            spacing, or holds NaN.
    """
    if not file.is_file():
        raise UserError(f"{file} does not exist")
    check_is_whole(file)
    check_spacing_is_told(file)
    check_nifti_is_finite(file)
    try:
        image = sitk.ReadImage(str(file))
    except RuntimeError as error:
        raise UserError(f"{file} cannot be read as an image: {reason_of_reader(error)[:300]}") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise UserError(f"{file} is not a CT image: it must hold one image of three dimensions")
    check_right_angles(image.GetDirection(), file)
    check_is_finite(sitk.GetArrayViewFromImage(image), file)
    return image


def read_hu(file: Path) -> tuple[NDArray[Any], Geometry]:
    """The image as an array (z, y, x), and its grid; raises as `read_ct`."""
    image = read_ct(file)
    return sitk.GetArrayFromImage(image), grid_of(image)


def grid_of(image: sitk.Image) -> Geometry:
    """The grid of a 3D image."""
    width, height, depth = image.GetSize()
    x, y, z = (abs(mm) for mm in image.GetSpacing())
    return Geometry((depth, height, width), (z, y, x), image.GetOrigin(), image.GetDirection())
