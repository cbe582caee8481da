"""Segmentations as files: labels and geometry, and whether two of them lie on the same grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunetv2_raemd.errors import UserError, reason_of_reader
from nnunetv2_raemd.nnunet_files.finite_voxels import check_nifti_is_finite
from nnunetv2_raemd.nnunet_files.image_axes import check_right_angles
from nnunetv2_raemd.nnunet_files.spacing_header import check_spacing_is_told
from nnunetv2_raemd.nnunet_files.whole_image import check_is_whole
from nnunetv2_raemd.regular_file import check_is_regular
from nnunetv2_raemd.volumes.plausible_spacing import implausible_spacing

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
    """Read a segmentation as nnU-Net does, but without its detour by float32.

    Args:
        reader: name of nnU-Net's reader class.

    Raises:
        UserError: if the file is absent, cut off or damaged, cannot be read, is not a single image, or holds
            numbers that are not whole.
    """
    check_is_regular(file)
    try:
        check_is_whole(file)
        check_spacing_is_told(file)
        check_nifti_is_finite(file)
        segmentation = _reader(reader)(file)
    except UserError:
        raise
    except Exception as error:  # every library has its own for a broken file
        raise UserError(f"{file} cannot be read as a segmentation: {reason_of_reader(error)}") from error
    check_whole_numbers(segmentation.labels, file)
    return segmentation


def check_whole_numbers(labels: Labels, file: Path) -> None:
    """Raise a `UserError` if labels hold NaN, infinity or a fraction, which no label is."""
    if labels.dtype.kind in "iu":
        return
    if labels.dtype.kind != "f":
        raise UserError(f"{file} is not a segmentation: it holds values of the type {labels.dtype}")
    for in_slice in labels:
        wrong = in_slice[~np.isfinite(in_slice) | (in_slice != np.rint(in_slice))]
        if wrong.size:
            raise UserError(
                f"{file} is not a segmentation: it holds {wrong[0]:.6g}, and labels are whole numbers. "
                "Probabilities must be made a segmentation first"
            )


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


def _with_simple_itk(file: Path, turned: Callable[[Any], Any] = lambda image: image) -> Segmentation:
    image = turned(sitk.ReadImage(str(file)))
    if image.GetNumberOfComponentsPerPixel() != 1 or image.GetDimension() not in (2, 3):
        raise UserError(f"{file} is not a segmentation: it must contain one image of two or three dimensions")
    check_right_angles(image.GetDirection(), file)
    labels, spacing = sitk.GetArrayFromImage(image), [abs(s) for s in image.GetSpacing()[::-1]]
    if labels.ndim == 2:
        labels, spacing = labels[None], [max(spacing) * 999, *spacing]  # nnU-Net's spacing for 2D images
    return Segmentation(labels, geometry_of(labels, spacing, image.GetOrigin(), image.GetDirection()))


def _reader(name: str) -> Callable[[Path], Segmentation]:
    readers: dict[str, Callable[[Path], Segmentation]] = {
        SIMPLE_ITK: _with_simple_itk,
        "SimpleITKIOWithReorient": lambda file: _with_simple_itk(
            file, lambda one: sitk.DICOMOrient(one, "RAS")
        ),
        "NibabelIO": _with_nibabel,
        "NibabelIOWithReorient": lambda file: _with_nibabel(file, nibabel.as_closest_canonical),
    }
    return readers.get(name) or _with_nnunet(name)


def _with_nibabel(file: Path, turned: Callable[[Any], Any] = lambda image: image) -> Segmentation:
    """As nnU-Net's readers that use nibabel, whose x and y grow to where SimpleITK's shrink."""
    image = turned(nibabel.load(file))
    if len(image.shape) != 3:
        raise UserError(f"{file} is not a segmentation: it must hold one image of three dimensions")
    affine = np.diag([-1, -1, 1, 1]) @ image.affine
    spacing = np.asarray(image.header.get_zooms()[:3], float)
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    labels = np.asanyarray(image.dataobj).transpose()
    origin, direction = tuple(affine[:3, 3].tolist()), tuple(columns.ravel().tolist())
    check_right_angles(direction, file)
    return Segmentation(labels, geometry_of(labels, spacing[::-1], origin, direction))


def _with_nnunet(reader: str) -> Callable[[Path], Segmentation]:
    """Readers of formats that hold no place and direction."""
    from nnunetv2.imageio.reader_writer_registry import recursive_find_reader_writer_by_name  # noqa: PLC0415

    def read(file: Path) -> Segmentation:
        array, properties = recursive_find_reader_writer_by_name(reader)().read_seg(str(file))
        if len(array) != 1:
            raise UserError(f"{file} is not a segmentation: it holds {len(array)} channels, such as colours")
        return Segmentation(array[0], geometry_of(array[0], properties["spacing"], None, None))

    return read


def geometry_of(labels: Labels, spacing: Any, origin: Any, direction: Any) -> Geometry:
    """The grid of an array (z, y, x).

    Raises:
        ValueError: if it has another number of dimensions, or a spacing that is not above 0 or no CT's.
    """
    if labels.ndim != 3:
        raise ValueError(f"an array of {labels.ndim} dimensions is not a segmentation")
    depth, height, width = labels.shape
    z, y, x = map(float, spacing)
    if not all(0 < mm < math.inf for mm in (z, y, x)):
        raise ValueError(f"its header has a spacing of ({z:g}, {y:g}, {x:g}) mm")
    if (why := implausible_spacing((z, y, x), labels.shape)) is not None:
        raise ValueError(f"its header has {why}")
    return Geometry((depth, height, width), (z, y, x), origin, direction)


def _shown(numbers: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{number:.6g}" for number in numbers) + ")"
