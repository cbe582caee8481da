"""A CT series: its slices in order, checked, and read as one volume in HU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import SimpleITK as sitk

from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.dicom import gantry_tilt
from nnunetv2_raemd.dicom.image_groups import (
    ORIENTATION_TOLERANCE,
    References,
    geometry_of,
    images_of_one_scan,
    same_plane,
)
from nnunetv2_raemd.dicom.index_entries import CtInstance
from nnunetv2_raemd.dicom.pixels import UNSPECIFIED, hu_rescale, read_slices
from nnunetv2_raemd.dicom.spacing import UNEVEN_FRACTION, is_even, is_mixed
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.memory_size import check_fits_memory
from nnunetv2_raemd.rasterize.contours import SliceStack
from nnunetv2_raemd.volumes.plausible_spacing import implausible_spacing

# Two images closer than this are at the same position; true slices of CT are never this near.
SAME_POSITION_MM = 0.01


@dataclass(frozen=True)
class CtSeries:
    """Slices of one scan in the order of their position along the normal, and what was noticed.

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
        return is_even(self.stack.heights_mm)

    @cached_property
    def is_tilted(self) -> bool:
        """Whether the gantry was tilted: the slices are displaced sideways against each other."""
        return gantry_tilt.is_tilted(self.stack)

    @cached_property
    def upright(self) -> SliceStack:
        """`stack`, or where the gantry was tilted the upright slices that hold all of it."""
        return gantry_tilt.upright(self.stack) if self.is_tilted else self.stack

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

    def describe_tilt(self) -> str:
        """The angle of the gantry, for the report."""
        return f"the gantry was tilted by about {gantry_tilt.tilt_degrees(self.stack) or 0:.1f} degrees"


def order_series(instances: Sequence[CtInstance], references: References | None = None) -> CtSeries:
    """Sort the images of one scan of a series by position along the slices' normal.

    Images that are not of the scan (see `images_of_one_scan`) and duplicated ones are dropped. `references`
    are the images that a contours' file names.

    Raises:
        UserError: if they name several patients, there are fewer than two slices, they do not hold HU,
            geometry is missing or differs between slices, two passes seem to be mixed, or slices are
            displaced sideways otherwise than by a tilted gantry.
    """
    if len(patients := {image.patient_id for image in instances}) > 1:
        raise UserError(f"its images name {len(patients)} different patients, {_of_each(instances)}")
    chosen = images_of_one_scan(instances, references)
    images = chosen.images
    _check_same_geometry(images)
    types = {hu_rescale(image).type for image in images}
    direction = _direction(images[0])
    kept = _without_duplicates(images, direction[:, 2])
    if len(kept) < 2:
        raise UserError(f"the CT series has only one slice, {kept[0].name}")
    stack = _stack(kept, direction)
    _check_plausible(stack, kept[0])
    _check_one_pass(stack, kept[0])
    _check_drift(stack, kept[0])
    notes = list(chosen.notes)
    if len(images) > len(kept):
        notes.append(f"{counted(len(images) - len(kept), 'duplicated image')} dropped")
    if len(frames := {image.frame_of_reference_uid for image in kept}) > 1:
        notes.append(
            f"the images name {len(frames)} frames of reference: their places are taken for those of one"
        )
    if UNSPECIFIED in types:
        notes.append("RescaleType is US (unspecified): the values are taken for HU")
    return CtSeries(tuple(kept), stack, direction, tuple(notes))


def _of_each(images: Sequence[CtInstance]) -> str:
    """An image of each patient; the identifiers themselves are not for messages."""
    first = {image.patient_id: image.name for image in reversed(images)}
    return " and ".join(sorted(first.values()))


def read_hu(series: CtSeries) -> np.ndarray:
    """Voxels in HU, int16, (S, rows, columns); raises `UserError` naming a file that cannot be read.

    They are those of `series.upright`: of a tilted gantry, slices are moved there.
    """
    slices = read_slices(series.slices)
    first = next(slices)  # before there is room for all: a header may promise any size
    check_fits_memory(len(series.slices) * first.nbytes)
    volume = np.empty((len(series.slices), *first.shape), dtype=np.int16)
    volume[0] = first
    for index, hu in enumerate(slices, start=1):
        volume[index] = hu
    return gantry_tilt.hu_upright(volume, series.stack) if series.is_tilted else volume


def to_image(voxels: np.ndarray, series: CtSeries, distance_mm: float) -> sitk.Image:
    """Voxels (slices, rows, columns) as an image that starts at the first slice, `distance_mm` a slice."""
    image = sitk.GetImageFromArray(voxels)
    row_spacing, column_spacing = geometry_of(series.slices[0]).pixel_spacing_mm
    image.SetSpacing([column_spacing, row_spacing, round(distance_mm, 6)])
    image.SetOrigin(series.upright.positions_mm[0].tolist())
    image.SetDirection(series.direction.ravel().tolist())
    return image


def _check_same_geometry(images: Sequence[CtInstance]) -> None:
    for image in images:
        if not same_plane(images[0], image):
            raise UserError(
                f"{image.name} differs in size, pixel spacing or orientation from {images[0].name}"
            )


def _direction(image: CtInstance) -> np.ndarray:
    """Orthonormal axes along columns, rows and slices as columns of a 3 x 3 matrix; headers round them."""
    given = np.reshape(geometry_of(image).orientation, (2, 3))
    if not np.allclose(given @ given.T, np.eye(2), atol=ORIENTATION_TOLERANCE):
        raise UserError(f"{image.name}: the axes of ImageOrientationPatient are not at right angles")
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
    """Images in the order of their height, one of each UID and of each position."""
    by_uid: dict[str, CtInstance] = {}
    for image in sorted(images, key=lambda i: str(i.path)):
        first = by_uid.setdefault(image.uid, image)
        if first is not image:
            _check_is_copy(first, image)
    height = {uid: float(np.dot(geometry_of(image).position_mm, normal)) for uid, image in by_uid.items()}
    kept: list[CtInstance] = []
    for uid in sorted(by_uid, key=lambda u: (height[u], u)):
        if kept and height[uid] - height[kept[-1].uid] < SAME_POSITION_MM:
            _check_same_voxels(kept[-1], by_uid[uid])
        else:
            kept.append(by_uid[uid])
    return kept


def _check_is_copy(one: CtInstance, other: CtInstance) -> None:
    """Some de-identification gives images the same UID; one of them alone would be a slice less."""
    if not np.allclose(geometry_of(one).position_mm, geometry_of(other).position_mm, atol=SAME_POSITION_MM):
        raise UserError(
            f"{one.name} and {other.name} have the same SOPInstanceUID but different positions: nobody can "
            "tell which images belong to the series"
        )
    _check_same_voxels(one, other)


def _check_same_voxels(one: CtInstance, other: CtInstance) -> None:
    (mine,), (theirs,) = read_slices([one]), read_slices([other])
    if not np.array_equal(mine, theirs):
        raise UserError(f"{one.name} and {other.name} are different images of the same position")


def _check_plausible(stack: SliceStack, first: CtInstance) -> None:
    """Raise a `UserError` where PixelSpacing or the distance of the slices are in another unit than mm."""
    spacing_mm = (*geometry_of(first).pixel_spacing_mm, stack.usual_distance_mm)
    if (why := implausible_spacing(spacing_mm, (*first.shape, len(stack.positions_mm)))) is not None:
        raise UserError(f"the series of {first.name} has {why}")


def _check_one_pass(stack: SliceStack, first: CtInstance) -> None:
    if is_mixed(stack.heights_mm):
        raise UserError(
            f"the slices of the series of {first.name} seem to be of two passes over the same region, and "
            "nothing in their headers tells them apart; keep the images of one"
        )


def _check_drift(stack: SliceStack, first: CtInstance) -> None:
    if gantry_tilt.is_tilted(stack) and gantry_tilt.tilt_degrees(stack) is None:
        raise UserError(
            f"the slices of the series of {first.name} are displaced sideways by more than a tilted "
            "gantry does, or each differently: they are not of one scan"
        )
