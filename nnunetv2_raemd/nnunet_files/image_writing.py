"""Images that are written whole, or an error that says that they are not.

On a full disc NIfTI's library, and whatever writes by it, writes a part of the file and raises nothing.
"""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.whole_image import check_is_whole


def write_whole_image(image: sitk.Image, file: Path, *, compressed: bool = True) -> None:
    """Write an image in the format of the file's ending.

    Raises:
        UserError: if the file is not whole; it is then there all the same.
    """
    try:
        sitk.WriteImage(image, str(file), compressed)
    except RuntimeError as error:
        raise UserError(f"{file} cannot be written: {str(error).strip().splitlines()[-1]}") from error
    check_was_written(file)


def check_was_written(file: Path) -> None:
    """Raise a `UserError` unless a file that has just been written is whole."""
    try:
        check_is_whole(file)
    except UserError as error:
        raise UserError(f"{file} could not be written whole: is there space left on the disc?") from error
