"""What is known of one lesion, and of all lesions of one scan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MeasuredLesion:
    """One 26-connected component of a label or region.

    Attributes:
        number: from 1 on, unique in its scan: labels in the order of the dataset, each from its largest
            lesion.
        label: name of the label or region.
        centre_mm: centre of mass (x, y, z) in patient coordinates (DICOM's LPS: x grows to the patient's
            left, y to the back, z to the head).
        centre_voxel: the same place in the array as read from the file (slice, row, column), from 0.
        equivalent_diameter_mm: diameter of the ball of the same volume.
        long_axis_mm: longest extent in one axial slice (`axial_axes`).
        short_axis_mm: longest extent across the long axis, in the same slice.
        axial_slice: the slice of the two axes; slices are counted from 0, along the axis that is nearest to
            the patient's long axis.
        first_slice, last_slice: of the lesion, counted the same way; both hold some of it.
        continuity: mean Dice of neighbouring slices of the lesion; NaN where it is in a single one.
        mean_hu, sd_hu: of the image within the lesion; None without an image.
        max_probability, mean_probability: of the network within the lesion; None without a probability map.
        confidence: probability that the lesion is real; None without a calibration.
        listed: whether its confidence reaches the operating point, if one was chosen.
    """

    number: int
    label: str
    centre_mm: tuple[float, float, float]
    centre_voxel: tuple[float, float, float]
    n_voxels: int
    volume_mm3: float
    equivalent_diameter_mm: float
    long_axis_mm: float
    short_axis_mm: float
    axial_slice: int
    first_slice: int
    last_slice: int
    continuity: float = math.nan
    mean_hu: float | None = None
    sd_hu: float | None = None
    max_probability: float | None = None
    mean_probability: float | None = None
    confidence: float | None = None
    listed: bool = True


@dataclass(frozen=True)
class ScanLesions:
    """The lesions of one scan.

    Attributes:
        image: what HU were measured in: a file, the folder of a DICOM series, an archive or an address; None
            where there was none.
        remarks: what was left out or assumed, a sentence each.
        unlike_training: in what the scan is unlike those that the network was trained on.
    """

    case_id: str
    segmentation: Path
    image: str | None
    spacing_mm: tuple[float, float, float]
    lesions: tuple[MeasuredLesion, ...]
    remarks: tuple[str, ...] = ()
    unlike_training: tuple[str, ...] = ()
