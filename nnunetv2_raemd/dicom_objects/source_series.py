"""The CT series that objects are made for: where its slices lie, and what its headers say of the patient."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from nnunetv2_raemd.dicom.ct_series import CtSeries
from nnunetv2_raemd.dicom.dicom_files import check_can_be_opened, reading
from nnunetv2_raemd.dicom.functional_groups import FunctionalGroups
from nnunetv2_raemd.dicom.index_entries import image_uid
from nnunetv2_raemd.dicom_objects.deterministic_uids import derived_uid
from nnunetv2_raemd.dicom_objects.source_attributes import DEIDENTIFIED, PATIENT_AND_STUDY, made_valid
from nnunetv2_raemd.dicom_objects.source_texts import read_texts
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.rasterize.contours import SliceStack

_IMAGE = (
    "SpecificCharacterSet",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "Modality",
    "Rows",
    "Columns",
    "PixelSpacing",
    "SliceThickness",
    "ImagePositionPatient",
    "ImageOrientationPatient",
)

_TIES = ("StudyInstanceUID", "FrameOfReferenceUID")
_LACKS_TIE = "lacks {}, without which no DICOM object can say what it belongs to"


class ImageReference(NamedTuple):
    """What an object names an image by: the file, and the number of the frame (from 1) in one of many."""

    sop_class: str
    sop_uid: str
    frame: int | None = None


@dataclass(frozen=True)
class SourceSeries:
    """Slices of one series in the order of a volume.

    Attributes:
        headers: of each slice (S of them), what objects need of it, without pixels. Those of frames look like
            those of single images, with UIDs of their own that are in no file (`source_frames`).
        references: to each slice.
        stack: geometry of the slices in the same order.
        remarks: what of the headers could not be taken over.
    """

    headers: tuple[Dataset, ...]
    references: tuple[ImageReference, ...]
    stack: SliceStack
    remarks: tuple[str, ...] = ()

    @property
    def first(self) -> Dataset:
        """Header of the first slice; patient, study and series are the same in all."""
        return self.headers[0]

    @property
    def uid(self) -> str:
        """SeriesInstanceUID."""
        return str(self.first.SeriesInstanceUID)

    @cached_property
    def image_uids(self) -> tuple[str, ...]:
        """What tells each slice from others, as `CtInstance.uid`."""
        return tuple(
            image_uid(one.sop_uid, None if one.frame is None else one.frame - 1) for one in self.references
        )

    @cached_property
    def files(self) -> tuple[Dataset, ...]:
        """A header for each file, as the first slice in it has it, with the file's UID."""
        of_file: dict[str, Dataset] = {}
        for header, reference in zip(self.headers, self.references, strict=True):
            if reference.sop_uid not in of_file:
                of_file[reference.sop_uid] = (
                    header if reference.frame is None else _of_file(header, reference)
                )
        return tuple(of_file.values())


def check_has_ties(series: CtSeries) -> None:
    """That its images have what ties an object to a series, by their index.

    Raises:
        UserError: where an image lacks the UID of its study or frame of reference.
    """
    for image in series.slices:
        ties = (image.study_uid, image.frame_of_reference_uid)
        for keyword, uid in zip(_TIES, ties, strict=True):
            if not uid:
                raise UserError(f"{image.name} {_LACKS_TIE.format(keyword)}")


def read_source(series: CtSeries) -> SourceSeries:
    """The headers of an ordered series.

    Raises:
        UserError: as `source_of_files`.
    """
    if series.slices[0].frame is None:
        return source_of_files([image.path for image in series.slices], series.stack)
    files = {path: _read_frames(path) for path in dict.fromkeys(image.path for image in series.slices)}
    headers, references = [], []
    for image in series.slices:
        header = _of_frame(files[image.path].header, image.frame or 0)
        references.append(ImageReference(header.SOPClassUID, image.sop_uid, (image.frame or 0) + 1))
        header.SOPClassUID, header.SOPInstanceUID = CTImageStorage, derived_uid("frame", image.uid)
        headers.append(header)
    remarks = [remark for file in files.values() for remark in file.remarks]
    return _source(headers, references, series.stack, remarks)


def source_of_files(files: Sequence[Path], stack: SliceStack) -> SourceSeries:
    """A series of single images, a file for each slice of `stack`.

    Raises:
        UserError: if a file cannot be read, or lacks what ties an object to it: the UIDs of its study and of
            its frame of reference.
    """
    read = [_read(path) for path in files]
    headers = [file.header for file in read]
    references = [ImageReference(header.SOPClassUID, header.SOPInstanceUID) for header in headers]
    return _source(headers, references, stack, [remark for file in read for remark in file.remarks])


def _source(
    headers: Sequence[Dataset],
    references: Sequence[ImageReference],
    stack: SliceStack,
    about_texts: Sequence[str],
) -> SourceSeries:
    remarks = dict.fromkeys(about_texts)
    remarks |= dict.fromkeys(remark for header in headers for remark in made_valid(header))
    for header in headers:
        if not header.get("SliceThickness"):
            # which an object must give, and a CT may leave open
            header.SliceThickness = f"{stack.usual_distance_mm:.6g}"
            remarks["SliceThickness is absent: the distance of slices is given in its place"] = None
    return SourceSeries(tuple(headers), tuple(references), stack, tuple(remarks))


class _Read(NamedTuple):
    """A header, and remarks on its texts."""

    header: Dataset
    remarks: list[str]


def _read_frames(path: Path) -> _Read:
    """The header of an enhanced CT, with the functional groups of its frames."""
    return _read(path, "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


def _of_frame(file: Dataset, frame: int) -> Dataset:
    """The header of a frame (from 0) as that of a single image."""
    header = Dataset()
    for element in file:
        if element.keyword not in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
            header.add(copy.deepcopy(element))
    shared = file.get("SharedFunctionalGroupsSequence") or [Dataset()]
    groups = FunctionalGroups(file.PerFrameFunctionalGroupsSequence[frame], shared[0])
    for group in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence"):
        header.update(groups.item(group))
    return header


def _of_file(header: Dataset, reference: ImageReference) -> Dataset:
    """The header of a frame as one of the file that it is in."""
    of_file = copy.deepcopy(header)
    of_file.SOPClassUID, of_file.SOPInstanceUID = reference.sop_class, reference.sop_uid
    return of_file


def _read(path: Path, *more_tags: str) -> _Read:
    tags = [*PATIENT_AND_STUDY, *DEIDENTIFIED, *_IMAGE, *more_tags]
    with reading(path):
        check_can_be_opened(path)
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags, force=True)
        for keyword in _TIES:
            if not header.get(keyword):
                raise UserError(f"it {_LACKS_TIE.format(keyword)}")
        return _Read(header, read_texts(header))
