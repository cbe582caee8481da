"""CT images and structure sets below a folder, known by their headers and not by where they lie."""

from __future__ import annotations

import multiprocessing
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    RTStructureSetStorage,
)
from rich.progress import track

from nnunetv2_raemd.errors import UserError

# No patient's name, birth date or the like is even read.
_TAGS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "PatientID",
    "FrameOfReferenceUID",
    "ImageType",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "ReferencedFrameOfReferenceSequence",
    "StructureSetROISequence",
    "RTROIObservationsSequence",
]
_FILES_PER_TASK = 64


@dataclass(frozen=True)
class SliceGeometry:
    """Image plane of one slice (DICOM PS3.3 C.7.6.2).

    position_mm: centre of the first pixel; orientation: direction along the columns, then along the rows;
    pixel_spacing_mm: distance of rows, then of columns.
    """

    position_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_spacing_mm: tuple[float, ...]


@dataclass(frozen=True)
class CtInstance:
    """One CT image; `geometry` is None where the header does not give it, `shape` is rows and columns."""

    path: Path
    sop_uid: str
    series_uid: str
    study_uid: str
    patient_id: str
    frame_of_reference_uid: str
    is_localizer: bool
    shape: tuple[int, int]
    geometry: SliceGeometry | None


@dataclass(frozen=True)
class Roi:
    """A region of interest of a structure set and all that it is called."""

    number: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class StructureSet:
    """One RTSTRUCT and the CT series and frames of reference that it says it was drawn on."""

    path: Path
    sop_uid: str
    patient_id: str
    study_uid: str
    series_uids: tuple[str, ...]
    frame_of_reference_uids: tuple[str, ...]
    rois: tuple[Roi, ...]


@dataclass(frozen=True)
class Unreadable:
    """A file that says it is DICOM but cannot be read."""

    path: Path
    reason: str


Entry = CtInstance | StructureSet | Unreadable


@dataclass(frozen=True)
class DicomIndex:
    """All CT images by series UID, all structure sets, and the files that could not be read."""

    ct: dict[str, tuple[CtInstance, ...]]
    structure_sets: tuple[StructureSet, ...]
    unreadable: tuple[Unreadable, ...]


def index_folder(folder: Path, *, workers: int = 1) -> DicomIndex:
    """Read the header of every file below `folder` once, in `workers` processes.

    Files that are not DICOM or are of other kinds are passed over.
    """
    files = sorted(Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    entries = [
        e for e in track(_headers(files, workers), "Reading headers", total=len(files)) if e is not None
    ]
    series: dict[str, list[CtInstance]] = defaultdict(list)
    for entry in entries:
        if isinstance(entry, CtInstance):
            series[entry.series_uid].append(entry)
    return DicomIndex(
        {uid: tuple(instances) for uid, instances in series.items()},
        tuple(e for e in entries if isinstance(e, StructureSet)),
        tuple(e for e in entries if isinstance(e, Unreadable)),
    )


def read_header(path: Path) -> Entry | None:
    """What one file is; None for what is neither a CT image nor a structure set."""
    try:
        dataset = _read(path)
        if dataset is None:
            return None
        if dataset.get("SOPClassUID") == CTImageStorage:
            return _ct_instance(path, dataset)
        if dataset.get("SOPClassUID") == RTStructureSetStorage:
            return _structure_set(path, dataset)
    except Exception as error:  # pydicom raises whatever a malformed header leads it to
        return Unreadable(path, f"{type(error).__name__}: {error}")
    return None


def read_dataset(path: Path) -> Dataset:
    """A whole DICOM file; raises `UserError` naming it where it cannot be read."""
    try:
        dataset = pydicom.dcmread(path, force=True)
    except Exception as error:  # pydicom raises whatever a malformed file leads it to
        raise UserError(f"{path} cannot be read: {error}") from error
    if "TransferSyntaxUID" not in dataset.file_meta:
        # Files without a preamble are little endian, and pydicom has found out which of two kinds.
        implicit = dataset.original_encoding[0]
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return dataset


def _headers(files: Sequence[Path], workers: int) -> Iterator[Entry | None]:
    if workers <= 1 or len(files) <= _FILES_PER_TASK:
        yield from map(read_header, files)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(read_header, files, chunksize=_FILES_PER_TASK)


def _read(path: Path) -> Dataset | None:
    """The header; None for what is not DICOM. Raises for a file that is DICOM but cut off."""
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
    except InvalidDicomError:
        # Old writers leave out the preamble; of other files only the name can tell.
        if path.suffix.lower() != ".dcm":
            return None
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS, force=True)
    if "SOPClassUID" in dataset:
        return dataset
    if dataset.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        return None
    raise UserError("not a DICOM file, or cut off in its header")


def _ct_instance(path: Path, dataset: Dataset) -> CtInstance:
    return CtInstance(
        path,
        **_identity(dataset),
        series_uid=str(dataset.SeriesInstanceUID),
        frame_of_reference_uid=str(dataset.get("FrameOfReferenceUID", "")),
        is_localizer="LOCALIZER" in (dataset.get("ImageType") or ()),
        shape=(int(dataset.Rows), int(dataset.Columns)),
        geometry=_geometry(dataset),
    )


def _structure_set(path: Path, dataset: Dataset) -> StructureSet:
    frames = list(dataset.get("ReferencedFrameOfReferenceSequence") or ())
    studies = [study for frame in frames for study in frame.get("RTReferencedStudySequence") or ()]
    series = [item for study in studies for item in study.get("RTReferencedSeriesSequence") or ()]
    return StructureSet(
        path,
        **_identity(dataset),
        series_uids=_unique(item.get("SeriesInstanceUID") for item in series),
        frame_of_reference_uids=_unique(frame.get("FrameOfReferenceUID") for frame in frames),
        rois=_rois(dataset),
    )


def _identity(dataset: Dataset) -> dict[str, str]:
    return {
        "sop_uid": str(dataset.SOPInstanceUID),
        "study_uid": str(dataset.get("StudyInstanceUID", "")),
        "patient_id": str(dataset.get("PatientID") or ""),
    }


def _rois(dataset: Dataset) -> tuple[Roi, ...]:
    called: dict[int, list[Any]] = defaultdict(list)
    for item in dataset.get("StructureSetROISequence") or ():
        called[int(item.ROINumber)] += [item.get("ROIName"), item.get("ROIDescription")]
    for item in dataset.get("RTROIObservationsSequence") or ():
        if item.get("ReferencedROINumber") in called:
            called[int(item.ReferencedROINumber)] += [
                item.get("ROIObservationLabel"),
                item.get("ROIObservationDescription"),
            ]
    return tuple(Roi(number, _unique(names)) for number, names in called.items())


def _geometry(dataset: Dataset) -> SliceGeometry | None:
    position = _numbers(dataset, "ImagePositionPatient", 3)
    orientation = _numbers(dataset, "ImageOrientationPatient", 6)
    spacing = _numbers(dataset, "PixelSpacing", 2)
    if position is None or orientation is None or spacing is None or min(spacing) <= 0:
        return None
    return SliceGeometry(position, orientation, spacing)


def _numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    values = dataset.get(keyword)
    if values is None or len(values) != count:
        return None
    numbers = tuple(float(value) for value in values)
    return numbers if np.isfinite(numbers).all() else None


def _unique(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(value).strip() for value in values if value))
