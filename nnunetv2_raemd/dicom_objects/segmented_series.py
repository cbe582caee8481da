"""What all objects are made of: a CT series, numbers on its voxels, and what the numbers stand for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pydicom.uid import UID

from nnunetv2_raemd.dicom_objects.coded_terms import Finding
from nnunetv2_raemd.dicom_objects.deterministic_uids import array_digest, derived_uid
from nnunetv2_raemd.dicom_objects.source_series import SourceSeries


@dataclass(frozen=True)
class Algorithm:
    """What made the segmentation, as objects name it.

    Attributes:
        name: at most 64 characters (VR LO).
        version: of the software.
        parameters: of the model, by name.
    """

    name: str
    version: str
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class LesionMeasurements:
    """Measurements of one lesion.

    Attributes:
        volume_mm3: voxels times their size.
        long_axis_mm: longest diameter in an axial slice.
        short_axis_mm: longest diameter at right angles to it, in the same slice.
        equivalent_diameter_mm: of the ball of the same volume.
        mean_hu: mean CT number.
        confidence: probability (0 to 1) that the lesion is real; None without a calibration.
    """

    volume_mm3: float
    long_axis_mm: float
    short_axis_mm: float
    equivalent_diameter_mm: float
    mean_hu: float
    confidence: float | None = None


@dataclass(frozen=True)
class Segment:
    """One segment of a SEG, ROI of an RTSTRUCT and, for lesions, group of measurements of an SR.

    Attributes:
        name: such as "lung" or "nodule 2".
        finding: what it is, in coded terms.
        values: of the voxels in it.
        tracking_uid: by which other objects, of later studies too, can name it.
        lesion: its measurements; None for what is no lesion.
    """

    name: str
    finding: Finding
    values: tuple[int, ...]
    tracking_uid: str
    lesion: LesionMeasurements | None = None


@dataclass(frozen=True)
class SegmentedSeries:
    """A CT series with its segments.

    Attributes:
        numbers: (S, rows, columns), unsigned, in the order of the series' slices; 0 is background.
        segments: in the order of their numbers in the objects, from 1.
    """

    source: SourceSeries
    numbers: np.ndarray
    segments: tuple[Segment, ...]
    algorithm: Algorithm

    def uid(self, *what: str) -> UID:
        """A UID for a part of the result, the same in every run with the same series, result and model."""
        return derived_uid(*self._content, *what)

    def masks(self, segment: Segment) -> Iterator[tuple[int, np.ndarray]]:
        """The slices that a segment is in, each with its pixels (rows, columns; bool)."""
        for index, pixels in enumerate(self.numbers):
            mask = np.isin(pixels, segment.values)
            if mask.any():
                yield index, mask

    @cached_property
    def _content(self) -> tuple[str, ...]:
        return (
            self.source.uid,
            *self.source.image_uids,
            repr(self.algorithm),
            repr(self.segments),
            array_digest(self.numbers),
        )
