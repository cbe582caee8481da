"""One image file of any name as the image of a case."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError, reason_of_reader
from nnunetv2_raemd.nnunet_files.finite_voxels import check_is_finite, check_nifti_is_finite
from nnunetv2_raemd.nnunet_files.image_axes import check_right_angles
from nnunetv2_raemd.nnunet_files.spacing_header import check_spacing_is_told
from nnunetv2_raemd.nnunet_files.whole_image import check_is_whole

ENDINGS = (".nii.gz", ".nii", ".mha", ".mhd", ".nrrd", ".nhdr")


def is_image_file(file: Path) -> bool:
    """Whether the name is that of a volume in a format of medical imaging."""
    return file.name.lower().endswith(ENDINGS)


def case_name(file: Path) -> str:
    """The name without its ending and without nnU-Net's number of the channel."""
    name = next(file.name[: -len(e)] for e in ENDINGS if file.name.lower().endswith(e))
    return name.removesuffix("_0000") or name


def read_single_image(file: Path) -> sitk.Image:
    """The volume in a file.

    Raises:
        UserError: if it cannot be read, is cut off, tells no spacing, or is not one volume of one channel.
    """
    if file.name.startswith("."):
        raise UserError(f"{file} begins with a dot, as hidden files do: rename it")
    try:
        check_is_whole(file)
        check_spacing_is_told(file)
        check_nifti_is_finite(file)
        image = sitk.ReadImage(str(file))
    except (RuntimeError, OSError) as error:
        # of some formats, SimpleITK knows the ending in small letters only
        known = file.name.endswith(ENDINGS)
        why = reason_of_reader(error) if known else "write its ending in small letters"
        raise UserError(f"{file} cannot be read: {why}") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise UserError(
            f"{file} is not one volume of one channel: it has {image.GetDimension()} dimensions and "
            f"{image.GetNumberOfComponentsPerPixel()} channels"
        )
    check_right_angles(image.GetDirection(), file)
    check_is_finite(sitk.GetArrayViewFromImage(image), file)
    return image
