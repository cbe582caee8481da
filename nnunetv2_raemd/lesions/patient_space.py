"""Places of an array in the patient's coordinates, and which of its axes runs along the patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.segmentation_file import Geometry


def to_patient_mm(voxel: Sequence[float], geometry: Geometry) -> tuple[float, float, float]:
    """Where a place of the array (slice, row, column) lies in the patient, (x, y, z) in mm.

    As DICOM (PS3.3 C.7.6.2.1.1) and ITK: the origin is the centre of the first voxel, x grows to the
    patient's left, y to the back and z to the head (LPS). The axes of the array may be oblique or flipped.

    Raises:
        UserError: if the file's format does not say where the image lies.
    """
    steps_mm = np.multiply(voxel, geometry.spacing_mm)[::-1]
    x, y, z = (np.asarray(geometry.origin_mm) + directions(geometry) @ steps_mm).tolist()
    return x, y, z


def directions(geometry: Geometry) -> NDArray[np.float64]:
    """The axes of the image as columns, in ITK's order (the array's last axis first).

    Raises:
        UserError: as `to_patient_mm`.
    """
    if geometry.direction is None or geometry.origin_mm is None or len(geometry.direction) != 9:
        raise UserError("the file does not say where in the patient its voxels lie: store it as NIfTI")
    return np.asarray(geometry.direction).reshape(3, 3)


def slice_axis(geometry: Geometry) -> int:
    """The axis of the array that runs nearest to the patient's long axis: its slices are the axial ones.

    0 for CT as it is usually stored; of a tilted gantry or an oblique image, the slices are those nearest to
    axial ones.
    """
    return 2 - int(np.abs(directions(geometry)[2]).argmax())
