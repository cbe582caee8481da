"""Measures every lesion of a label: place, size, axes, HU, probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.lesions.axial_axes import axial_axes
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion
from nnunetv2_raemd.lesions.patient_space import slice_axis, to_patient_mm
from nnunetv2_raemd.nnunet_files.segmentation_file import Geometry
from nnunetv2_raemd.volumes.balls import ball_diameter_mm
from nnunetv2_raemd.volumes.boxes import Box
from nnunetv2_raemd.volumes.components import find_components
from nnunetv2_raemd.volumes.continuity import neighbouring_slice_dice

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class LesionMask:
    """One lesion as voxels: its box in the array (z, y, x) and which voxels of the box are its own."""

    box: Box
    mask: Mask
    centre: tuple[float, float, float]


@dataclass(frozen=True)
class Measured:
    """What lesions are measured in: arrays (z, y, x) of one grid.

    Attributes:
        hu: the CT image; None without one.
        probability: of the label; None without a map.
    """

    geometry: Geometry
    hu: NDArray[Any] | None = None
    probability: NDArray[Any] | None = None


def lesion_masks(mask: Mask) -> list[LesionMask]:
    """The 26-connected components of a mask (z, y, x), from the largest; of equals, the first one."""
    found = find_components(mask)
    largest_first = np.argsort(-found.n_voxels, kind="stable").tolist()
    return [
        LesionMask(found.boxes[i], found.numbers[found.boxes[i]] == i + 1, tuple(found.centres[i].tolist()))
        for i in largest_first
    ]


def measure_lesions(
    masks: Sequence[LesionMask], measured: Measured, *, label: str, first_number: int = 1
) -> list[MeasuredLesion]:
    """The lesions of one label, in the order given.

    Args:
        masks: on the grid of `measured`.
        first_number: number of the first lesion.

    Raises:
        UserError: if the file's format does not say where the voxels lie in the patient.
    """
    return [
        _measure(lesion, measured, label, number) for number, lesion in enumerate(masks, start=first_number)
    ]


def _measure(lesion: LesionMask, measured: Measured, label: str, number: int) -> MeasuredLesion:
    geometry = measured.geometry
    axis = slice_axis(geometry)
    first, last = lesion.box[axis].start, lesion.box[axis].stop - 1
    row_mm, column_mm = (mm for other, mm in enumerate(geometry.spacing_mm) if other != axis)
    across = np.moveaxis(lesion.mask, axis, 0)
    axes = axial_axes(across, (row_mm, column_mm))
    n_voxels = int(np.count_nonzero(lesion.mask))
    volume_mm3 = n_voxels * float(np.prod(geometry.spacing_mm))
    mean_hu, sd_hu = _mean_and_sd(lesion, measured.hu)
    return MeasuredLesion(
        number,
        label,
        to_patient_mm(lesion.centre, geometry),
        lesion.centre,
        n_voxels,
        volume_mm3,
        ball_diameter_mm(volume_mm3),
        axes.long_mm,
        axes.short_mm,
        first + axes.slice,
        first,
        last,
        neighbouring_slice_dice(across),
        mean_hu,
        sd_hu,
        *_maximum_and_mean(lesion, measured.probability),
    )


def _mean_and_sd(lesion: LesionMask, hu: NDArray[Any] | None) -> tuple[float, float] | tuple[None, None]:
    if hu is None:
        return None, None
    values = hu[lesion.box][lesion.mask].astype(np.float64)
    return float(values.mean()), float(values.std())


def _maximum_and_mean(
    lesion: LesionMask, probability: NDArray[Any] | None
) -> tuple[float, float] | tuple[None, None]:
    if probability is None:
        return None, None
    values = probability[lesion.box][lesion.mask].astype(np.float64)
    return float(values.max()), float(values.mean())
