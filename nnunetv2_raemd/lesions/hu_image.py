"""The CT image that lesions are measured in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import SimpleITK as sitk
from numpy.typing import NDArray

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.segmentation_file import Geometry
from nnunetv2_raemd.nnunet_files.whole_image import check_is_whole


def read_hu(file: Path) -> tuple[NDArray[Any], Geometry]:
    """The image as an array (z, y, x), and its grid.

    Raises:
        UserError: if the file is absent, cut off, cannot be read or does not hold a single 3D image.
    """
    if not file.is_file():
        raise UserError(f"{file} does not exist")
    check_is_whole(file)
    try:
        image = sitk.ReadImage(str(file))
    except RuntimeError as error:
        raise UserError(f"{file} cannot be read as an image: {' '.join(str(error).split())[:200]}") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise UserError(f"{file} is not a CT image: it must hold one image of three dimensions")
    hu = sitk.GetArrayFromImage(image)
    depth, height, width = hu.shape
    x, y, z = (abs(mm) for mm in image.GetSpacing())
    return hu, Geometry((depth, height, width), (z, y, x), image.GetOrigin(), image.GetDirection())
