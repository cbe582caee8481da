"""A CT series: its slices in order, checked, and read as one volume in HU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset

from nnunetv2_raemd.dicom.dicom_files import read_dataset, reading
from nnunetv2_raemd.dicom.index_entries import CtInstance, SliceGeometry
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.rasterize.contours import SliceStack

# Two images closer than this are at the same position; true slices of CT are never this near.
SAME_POSITION_MM = 0.01
# How far a slice may be from its place on an even grid, as a part of the spacing: above the rounding of
# positions to a tenth of a millimetre that scanners write, far below what shifts a mask by half a voxel.
UNEVEN_FRACTION = 0.05
# Sideways drift over the whole stack that still counts as none, in pixels.
DRIFT_PIXELS = 0.1
ORIENTATION_TOLERANCE = 1e-3
SPACING_TOLERANCE_MM = 1e-4


@dataclass(frozen=True)
class CtSeries:
    """Slices of one series in the order of their position along the normal, and what was noticed.

    `stack` has the true geometry of each slice (S of them); `direction` is 3 x 3 orthonormal, its columns the
    axes along columns, rows and slices; `gaps_mm` are the S - 1 distances of neighbours.
    """

    slices: tuple[CtInstance, ...]
    stack: SliceStack
    direction: np.ndarray
    notes: tuple[str, ...] = field(default=())

    @property
    def gaps_mm(self) -> np.ndarray:
        return np.diff(self.stack.heights_mm)

    @property
    def mean_distance_mm(self) -> float:
        return float(self.gaps_mm.mean())

    @property
    def is_even(self) -> bool:
        """Whether all slices are where an even grid between the first and the last would have them."""
        heights = self.stack.heights_mm
        even = np.linspace(heights[0], heights[-1], len(heights))
        return bool(np.abs(heights - even).max() <= UNEVEN_FRACTION * self.stack.usual_distance_mm)

    @property
    def missing_in_gaps(self) -> int:
        """How many slices would fill the gaps."""
        return int(np.sum(np.maximum(np.rint(self.gaps_mm / self.stack.usual_distance_mm) - 1, 0)))

    def describe_gaps(self) -> str:
        """The distances that differ from the usual one, for the report."""
        usual = self.stack.usual_distance_mm
        odd = np.flatnonzero(np.abs(self.gaps_mm - usual) > UNEVEN_FRACTION * usual)
        shown = ", ".join(f"{self.gaps_mm[i]:.3f} mm after slice {i + 1}" for i in odd[:5])
        more = f" and {len(odd) - 5} more" if len(odd) > 5 else ""
        return f"slices are {usual:.3f} mm apart but {shown or 'unevenly rounded'}{more}"


def order_series(instances: Sequence[CtInstance]) -> CtSeries:
    """Sort one series by position along the slices' normal; drops localizers and duplicated images.

    Raises `UserError` where there are fewer than two slices, geometry is missing or differs between slices,
    or the gantry was tilted (slices then are no rectangular grid).
    """
    images = [i for i in instances if not i.is_localizer]
    if not images:
        raise UserError("the CT series has no images but localizers")
    _check_same_geometry(images)
    direction = _direction(images[0])
    kept = _without_duplicates(images, direction[:, 2])
    if len(kept) < 2:
        raise UserError(f"the CT series has only one slice, {kept[0].path}")
    stack = _stack(kept, direction)
    _check_not_tilted(stack, kept[0].path)
    dropped = {"localizer": len(instances) - len(images), "duplicated": len(images) - len(kept)}
    notes = tuple(f"{number} {kind} images dropped" for kind, number in dropped.items() if number)
    return CtSeries(tuple(kept), stack, direction, notes)


def read_hu(series: CtSeries) -> np.ndarray:
    """Voxels in HU, int16, (S, rows, columns); raises `UserError` naming a file that cannot be read."""
    volume = np.empty((len(series.slices), *series.stack.shape), dtype=np.int16)
    for index, instance in enumerate(series.slices):
        volume[index] = _slice_hu(instance)
    return volume


def to_image(voxels: np.ndarray, series: CtSeries, distance_mm: float) -> sitk.Image:
    """Voxels (slices, rows, columns) as an image that starts at the first slice, `distance_mm` a slice."""
    image = sitk.GetImageFromArray(voxels)
    row_spacing, column_spacing = geometry_of(series.slices[0]).pixel_spacing_mm
    image.SetSpacing([column_spacing, row_spacing, round(distance_mm, 6)])
    image.SetOrigin(series.stack.positions_mm[0].tolist())
    image.SetDirection(series.direction.ravel().tolist())
    return image


def geometry_of(image: CtInstance) -> SliceGeometry:
    """The image plane, which a CT image must have."""
    if image.geometry is None:
        raise UserError(f"{image.path} lacks position, orientation or pixel spacing")
    return image.geometry


def _check_same_geometry(images: Sequence[CtInstance]) -> None:
    first = geometry_of(images[0])
    for image in images:
        plane = geometry_of(image)
        if not (
            image.shape == images[0].shape
            and np.allclose(plane.pixel_spacing_mm, first.pixel_spacing_mm, rtol=0, atol=SPACING_TOLERANCE_MM)
            and np.allclose(plane.orientation, first.orientation, rtol=0, atol=ORIENTATION_TOLERANCE)
        ):
            raise UserError(
                f"{image.path} differs in size, pixel spacing or orientation from {images[0].path}"
            )


def _direction(image: CtInstance) -> np.ndarray:
    """Orthonormal axes along columns, rows and slices as columns of a 3 x 3 matrix; headers round them."""
    given = np.reshape(geometry_of(image).orientation, (2, 3))
    if not np.allclose(given @ given.T, np.eye(2), atol=ORIENTATION_TOLERANCE):
        raise UserError(f"{image.path}: the axes of ImageOrientationPatient are not at right angles")
    left, _, right = np.linalg.svd(given, full_matrices=False)
    along_columns, along_rows = left @ right + 0.0  # + 0.0 turns -0.0 into 0.0
    return np.stack([along_columns, along_rows, np.cross(along_columns, along_rows)], axis=1)


def _stack(images: Sequence[CtInstance], direction: np.ndarray) -> SliceStack:
    row_spacing, column_spacing = geometry_of(images[0]).pixel_spacing_mm
    positions = np.array([geometry_of(image).position_mm for image in images])
    return SliceStack(
        positions, direction[:, 0] * column_spacing, direction[:, 1] * row_spacing, images[0].shape
    )


def _without_duplicates(images: Sequence[CtInstance], normal: np.ndarray) -> list[CtInstance]:
    """Images in the order of their height, one of each SOP instance and of each position."""
    by_uid = {image.sop_uid: image for image in sorted(images, key=lambda i: str(i.path), reverse=True)}
    height = {uid: float(np.dot(geometry_of(image).position_mm, normal)) for uid, image in by_uid.items()}
    kept: list[CtInstance] = []
    for uid in sorted(by_uid, key=lambda u: (height[u], u)):
        if kept and height[uid] - height[kept[-1].sop_uid] < SAME_POSITION_MM:
            _check_same_voxels(kept[-1], by_uid[uid])
        else:
            kept.append(by_uid[uid])
    return kept


def _check_same_voxels(one: CtInstance, other: CtInstance) -> None:
    if not np.array_equal(_slice_hu(one), _slice_hu(other)):
        raise UserError(f"{one.path} and {other.path} are different images of the same position")


def _check_not_tilted(stack: SliceStack, first: Path) -> None:
    offsets = stack.positions_mm - stack.positions_mm[0]
    heights = offsets @ stack.normal
    drift = np.linalg.norm(offsets - heights[:, None] * stack.normal, axis=1)
    pixel_mm = min(np.linalg.norm(stack.column_step_mm), np.linalg.norm(stack.row_step_mm))
    if drift.max() > DRIFT_PIXELS * pixel_mm:
        worst = int(drift.argmax())
        angle = np.degrees(np.arctan2(drift[worst], heights[worst]))
        raise UserError(
            f"the slices of the series of {first} are displaced sideways by up to {drift[worst]:.2f} mm "
            f"(gantry tilt of about {angle:.1f} degrees): they form no rectangular grid"
        )


def _slice_hu(instance: CtInstance) -> np.ndarray:
    with reading(instance.path):
        dataset = read_dataset(instance.path)
        if "RescaleSlope" not in dataset or "RescaleIntercept" not in dataset:
            raise UserError("it lacks RescaleSlope or RescaleIntercept: its values are not HU")
        hu = _decompressed(instance.path) if _is_compressed(dataset) else _rescaled(dataset)
    if hu.shape != instance.shape:
        raise UserError(f"{instance.path} holds an image of shape {hu.shape}, not {instance.shape}")
    limits = np.iinfo(np.int16)
    if hu.min() < limits.min or hu.max() > limits.max:
        raise UserError(f"{instance.path} holds values from {hu.min()} to {hu.max()}, which are not HU")
    return hu.astype(np.int16)


def _rescaled(dataset: Dataset) -> np.ndarray:
    """Stored values to HU (DICOM PS3.3 C.11.1.1.2)."""
    expected = dataset.Rows * dataset.Columns * dataset.BitsAllocated // 8
    if len(dataset.PixelData) < expected:
        raise UserError(f"it holds {len(dataset.PixelData)} of {expected} bytes of voxels: it is cut off")
    slope, intercept = float(dataset.RescaleSlope), float(dataset.RescaleIntercept)
    stored = dataset.pixel_array
    if slope == 1 and intercept == 0:
        return stored
    if slope == 1 and intercept.is_integer() and stored.itemsize <= 2:
        return stored.astype(np.int32) + int(intercept)  # most CT; in floats it takes as long as reading
    return np.rint(stored * slope + intercept)


def _is_compressed(dataset: Dataset) -> bool:
    return bool(dataset.file_meta.TransferSyntaxUID.is_compressed)


def _decompressed(path: Path) -> np.ndarray:
    """HU of a compressed slice by SimpleITK, which brings all of DICOM's decoders and rescales by itself."""
    return np.rint(sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[0])
