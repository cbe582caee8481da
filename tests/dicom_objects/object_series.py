"""Series in all positions, with segments that are hard to outline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from dicom_patient import DicomPatient, save

from nnunetv2_raemd.dicom_objects.coded_terms import finding_of
from nnunetv2_raemd.dicom_objects.segmented_series import Algorithm, Segment, SegmentedSeries
from nnunetv2_raemd.dicom_objects.source_series import SourceSeries, source_of_files
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion
from nnunetv2_raemd.rasterize.contours import SliceStack

ALGORITHM = Algorithm("nnUNetTrainerRAEMD__nnUNetPlans__2d", "1.2.3", (("folds", "0 1"),))
EVEN = tuple(3.0 * i for i in range(8))
POSITIONS: dict[str, dict[str, Any]] = {
    "axial": {},
    "prone": {"orientation": (-1, 0, 0, 0, -1, 0)},
    "feet first": {"orientation": (-1, 0, 0, 0, 1, 0)},
    "sagittal": {"orientation": (0, 1, 0, 0, 0, -1)},
    "oblique": {"orientation": (0.36, 0.48, -0.8, -0.8, 0.6, 0.0)},
    "irregular": {"heights_mm": (0.0, 3.0, 6.0, 12.0, 15.0, 17.5, 20.0, 22.75)},
    "tilted": {"tilt": 12.0},
    "far off": {"origin_mm": (-1234.567891, 987.654321, -1999.000007)},
}


def make_source(
    folder: Path, *, tilt: float = 0.0, changes: dict[str, Any] | None = None, **options: Any
) -> SourceSeries:
    """A CT series of 8 slices, 12 rows, 16 columns; `tilt` in degrees shifts each slice along its rows."""
    patient = DicomPatient(folder, **options)
    positions = []
    for index, height in enumerate(patient.heights_mm):
        shift = np.tan(np.radians(tilt)) * height * patient.row_axis
        positions.append([round(float(x), 6) for x in patient.position(index) + shift])
        image = patient.ct_slice(index, ImagePositionPatient=positions[-1], **(changes or {}))
        save(image, patient.folder / f"{index}.dcm")
    stack = SliceStack(
        np.array(positions), patient.column_axis * 1.5, patient.row_axis * 2.0, patient.stored.shape[1:]
    )
    return source_of_files([folder / f"{i}.dcm" for i in range(len(positions))], stack)


def awkward_numbers(shape: tuple[int, int, int] = (8, 12, 16)) -> np.ndarray:
    """Lesion 1: noise with holes and pixels that touch at corners; 2: a ring round 3; nothing in slice 7."""
    rng = np.random.default_rng(0)
    numbers = np.zeros(shape, np.uint16)
    numbers[:4, :, :9] = rng.random((4, 12, 9)) < 0.6
    numbers[2:6, 2:9, 9:16] = 2
    numbers[2:6, 4:7, 11:14] = 0
    numbers[3, 5, 12] = 3
    numbers[6, 11, 15] = 3
    return numbers


def lesion(number: int, **changes: Any) -> MeasuredLesion:
    values: dict[str, Any] = {
        "number": number,
        "label": "nodule",
        "centre_mm": (1.0, 2.0, 3.0),
        "centre_voxel": (3.0, 2.0, 1.0),
        "n_voxels": 100,
        "volume_mm3": 900.04,
        "equivalent_diameter_mm": 11.977,
        "long_axis_mm": 14.256,
        "short_axis_mm": 9.994,
        "axial_slice": 3,
        "first_slice": 2,
        "last_slice": 4,
        "slice_continuity": 0.9,
        "mean_hu": -12.34,
    }
    known = MeasuredLesion.__dataclass_fields__
    return MeasuredLesion(**{k: v for k, v in (values | changes).items() if k in known})


def with_segments(source: SourceSeries, numbers: np.ndarray | None = None) -> SegmentedSeries:
    """Three nodules, of which the last has a confidence, and no lung."""
    segments = tuple(
        Segment(
            f"nodule {n}",
            finding_of("nodule"),
            (n,),
            f"1.2.3.{n}",
            lesion(n, confidence=0.831 if n == 3 else None),
        )
        for n in (1, 2, 3)
    )
    numbers = awkward_numbers() if numbers is None else numbers
    return SegmentedSeries(source, numbers, segments, ALGORITHM)
