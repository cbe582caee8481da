"""What all objects are made of: a CT series, numbers on its voxels, and what the numbers stand for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from pydicom.uid import UID
from scipy.ndimage import find_objects

from nnunetv2_raemd.dicom_objects.coded_terms import Finding
from nnunetv2_raemd.dicom_objects.deterministic_uids import array_digest, derived_uid
from nnunetv2_raemd.dicom_objects.source_series import SourceSeries
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion


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
    lesion: MeasuredLesion | None = None


class SliceMask(NamedTuple):
    """Pixels of one slice: its number from 0, the row and column where `mask` begins, and what is in."""

    slice_number: int
    start: tuple[int, int]
    mask: np.ndarray


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

    def series_uid(self, kind: str) -> UID:
        """SeriesInstanceUID of the objects of one kind."""
        return object_series_uid(self.source.uid, self.source.image_uids, self.algorithm, kind)

    def masks(self, segment: Segment) -> Iterator[SliceMask]:
        """The slices that a segment is in, each with its pixels."""
        boxes = [box for value in segment.values if (box := self._boxes[value - 1]) is not None]
        if not boxes:
            return
        first, rows, columns = (
            slice(min(box[axis].start for box in boxes), max(box[axis].stop for box in boxes))
            for axis in range(3)
        )
        for index in range(first.start, first.stop):
            mask = np.isin(self.numbers[index, rows, columns], segment.values)
            if mask.any():
                yield SliceMask(index, (rows.start, columns.start), mask)

    @cached_property
    def _boxes(self) -> list[tuple[slice, slice, slice] | None]:
        """The box of the voxels of each number, from 1 to the highest of any segment."""
        highest = max((value for segment in self.segments for value in segment.values), default=0)
        found: list[tuple[slice, slice, slice] | None] = find_objects(self.numbers, max_label=highest)
        return found

    @cached_property
    def _content(self) -> tuple[str, ...]:
        return (
            self.source.uid,
            *self.source.image_uids,
            repr(self.algorithm),
            repr(self.segments),
            array_digest(self.numbers),
        )


def object_series_uid(source_uid: str, image_uids: Sequence[str], algorithm: Algorithm, kind: str) -> UID:
    """SeriesInstanceUID of the objects that a model makes of these images.

    It is known before the model has run, so that an archive can be asked whether all has been done already.
    """
    return derived_uid(source_uid, *sorted(image_uids), repr(algorithm), kind)
