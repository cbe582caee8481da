"""NIfTI files written whole, or an error that says that they are not."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.nifti_length import tells_length

NIFTI_HEADER_BYTES = 352  # 348 and four that say that no extension follows


def write_image(image: sitk.Image, path: Path) -> None:
    """Write a `.nii.gz` of voxels and geometry only: what else a reader kept of a header may name somebody.

    Raises:
        UserError: if the file is not whole; it is then there all the same.
    """
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    sitk.WriteImage(image, str(path))
    _check_whole(image, path)


def _check_whole(image: sitk.Image, path: Path) -> None:
    """On a full disc, SimpleITK writes a part of the file and raises nothing."""
    expected = NIFTI_HEADER_BYTES + image.GetNumberOfPixels() * image.GetSizeOfPixelComponent()
    if not tells_length(path, expected):
        raise UserError("its files could not be written whole: is there space left in nnUNet_raw?")
