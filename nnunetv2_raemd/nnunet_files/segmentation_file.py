"""Segmentations as files: labels and geometry, and whether two of them lie on the same grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.nifti_length import is_cut_off

Labels = NDArray[Any]
SIMPLE_ITK = "SimpleITKIO"
PLACE_TOLERANCE_MM = 1e-2  # formats keep places in single precision
ANGLE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Geometry:
    """The grid of an array (z, y, x).

    Attributes:
        spacing_mm: (z, y, x), as the array.
        origin_mm, direction: as SimpleITK gives them, x first; None for formats that hold none.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, ...] | None = None
    direction: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Segmentation:
    """Labels (z, y, x) and their grid."""

    labels: Labels
    geometry: Geometry


def read_segmentation(file: Path, reader: str = SIMPLE_ITK) -> Segmentation:
    """Read a segmentation as nnU-Net does.

    Args:
        reader: name of nnU-Net's reader class. Files of SimpleITKIO are read without its detour by float32.

    Raises:
        UserError: if the file is absent, cut off, cannot be read or is no single image.
    """
    if not file.is_file():
        raise UserError(f"{file} does not exist")
    read: Callable[[Path], Segmentation] = _with_simple_itk if reader == SIMPLE_ITK else _with_nnunet(reader)
    try:
        check_is_whole(file)
        return read(file)
    except UserError:
        raise
    except Exception as error:  # every library has its own for a broken file
        raise UserError(f"{file} cannot be read as a segmentation: {_one_line(error)}") from error


def check_is_whole(file: Path) -> None:
    """Raise a `UserError` if a NIfTI file is cut off, as by a prediction that was killed.

    Its library would fill with background what is missing.
    """
    if is_cut_off(file):
        raise UserError(f"{file} is cut off: voxels are missing at its end. Copy it, or predict it, again")


def check_same_grid(reference: Path, prediction: Path, expected: Geometry, found: Geometry) -> None:
    """Raise a `UserError` that names both files unless their grids agree."""
    for name, ours, theirs, tolerance in (
        ("size (slices, rows, columns)", expected.shape, found.shape, 0),
        ("spacing in mm (z, y, x)", expected.spacing_mm, found.spacing_mm, PLACE_TOLERANCE_MM / 10),
        ("origin in mm (x, y, z)", expected.origin_mm, found.origin_mm, PLACE_TOLERANCE_MM),
        ("direction", expected.direction, found.direction, ANGLE_TOLERANCE),
    ):
        if ours is None or theirs is None:
            continue
        if len(ours) != len(theirs) or not np.allclose(ours, theirs, rtol=0, atol=tolerance):
            raise UserError(
                f"{prediction} and its reference {reference} do not lie on the same grid: "
                f"{name} {_shown(theirs)} instead of {_shown(ours)}. Predict again from the image of that "
                "reference, or resample one of them"
            )


def _with_simple_itk(file: Path) -> Segmentation:
    image = sitk.ReadImage(str(file))
    if image.GetNumberOfComponentsPerPixel() != 1 or image.GetDimension() not in (2, 3):
        raise UserError(f"{file} is not a segmentation: it must contain one image of two or three dimensions")
    labels, spacing = sitk.GetArrayFromImage(image), [abs(s) for s in image.GetSpacing()[::-1]]
    if labels.ndim == 2:
        labels, spacing = labels[None], [max(spacing) * 999, *spacing]  # nnU-Net's spacing for 2D images
    return Segmentation(labels, _geometry(labels, spacing, image.GetOrigin(), image.GetDirection()))


def _with_nnunet(reader: str) -> Callable[[Path], Segmentation]:
    from nnunetv2.imageio.reader_writer_registry import recursive_find_reader_writer_by_name  # noqa: PLC0415

    def read(file: Path) -> Segmentation:
        array, properties = recursive_find_reader_writer_by_name(reader)().read_seg(str(file))
        return Segmentation(array[0], _geometry(array[0], properties["spacing"], None, None))

    return read


def _geometry(labels: Labels, spacing: Any, origin: Any, direction: Any) -> Geometry:
    if labels.ndim != 3:
        raise UserError(f"an array of {labels.ndim} dimensions is not a segmentation")
    depth, height, width = labels.shape
    z, y, x = map(float, spacing)
    return Geometry((depth, height, width), (z, y, x), origin, direction)


def _shown(numbers: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{number:.6g}" for number in numbers) + ")"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
