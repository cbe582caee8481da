"""What the header of an image tells, before any voxel is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError, reason_of_reader
from nnunetv2_raemd.nnunet_files.image_axes import check_right_angles
from nnunetv2_raemd.nnunet_files.segmentation_file import SIMPLE_ITK, Geometry
from nnunetv2_raemd.nnunet_files.spacing_header import check_spacing_is_told
from nnunetv2_raemd.nnunet_files.whole_image import check_header
from nnunetv2_raemd.regular_file import check_is_regular

_DIMENSIONS = (2, 3)


@dataclass(frozen=True)
class ImageHeader:
    """A file as nnU-Net's reader takes it.

    Attributes:
        size: (x, y, z) or (x, y), as SimpleITK has it.
        n_channels: channels in this one file, such as colours.
        spacing_mm, origin_mm, direction: in the order of `size`; None for formats that hold none.
    """

    size: tuple[int, ...]
    n_channels: int = 1
    spacing_mm: tuple[float, ...] | None = None
    origin_mm: tuple[float, ...] | None = None
    direction: tuple[float, ...] | None = None


def read_image_header(file: Path, reader: str) -> ImageHeader:
    """The header of an image of which nnU-Net can make a prediction.

    Args:
        reader: name of nnU-Net's reader class.

    Raises:
        UserError: if there is no header, or one of colours, of several images in a file, or without spacing.
    """
    check_is_regular(file)
    try:
        check_header(file)
        check_spacing_is_told(file)
        if reader.startswith((SIMPLE_ITK, "NibabelIO")):  # both also turn axes, by the name's ending
            return _of_volume(file)
        return _of_picture(file, reader)
    except UserError:
        raise
    except Exception as error:  # every library has its own for a broken file
        raise UserError(f"{file} cannot be read: {reason_of_reader(error)[:300]}") from error


def _of_volume(file: Path) -> ImageHeader:
    header = sitk.ImageFileReader()
    header.SetFileName(str(file))
    header.ReadImageInformation()
    if header.GetNumberOfComponents() != 1:
        raise UserError(
            f"{file} holds {header.GetNumberOfComponents()} values a voxel, such as colours: nnU-Net takes "
            "one channel a file of this format. Save each as a file of its own (CASE_0000, CASE_0001 ...)"
        )
    size = tuple(header.GetSize())
    if len(size) not in _DIMENSIONS:
        shown = " x ".join(map(str, size))
        raise UserError(
            f"{file} holds several images ({shown}), such as points of time. Save each as a file of its own"
        )
    check_right_angles(header.GetDirection(), file)
    return ImageHeader(size, 1, header.GetSpacing(), header.GetOrigin(), header.GetDirection())


def _of_picture(file: Path, reader: str) -> ImageHeader:
    """Pictures are small: nnU-Net's reader tells what it makes of them."""
    from nnunetv2.imageio.reader_writer_registry import recursive_find_reader_writer_by_name  # noqa: PLC0415

    array, _ = recursive_find_reader_writer_by_name(reader)().read_images([str(file)])
    return ImageHeader(tuple(array.shape[:0:-1]), len(array))


def volume_grid(file: Path) -> Geometry:
    """The grid of a volume as SimpleITK takes it, without its voxels.

    Raises:
        UserError: as `read_image_header`, or if it is a picture.
    """
    header = read_image_header(file, SIMPLE_ITK)
    if len(header.size) != 3 or header.spacing_mm is None:
        raise UserError(f"{file} is a two-dimensional picture, not a volume")
    (width, height, depth), (x, y, z) = header.size, map(abs, header.spacing_mm)
    return Geometry((depth, height, width), (z, y, x), header.origin_mm, header.direction)


def orientation_code(direction: Sequence[float]) -> str:
    """Where the axes x, y, z of that direction matrix grow to, as DICOM says it ("LPS" for most CT).

    Oblique axes are named by their nearest.
    """
    return str(sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(direction))
