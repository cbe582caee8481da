"""What the header of a DICOM file says that conversion needs to know: CT images, RTSTRUCT and SEG."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    RTStructureSetStorage,
    SegmentationStorage,
)

from nnunetv2_raemd.dicom.dicom_files import describe, discreet_reading, instance_uid_of_damaged, read_tags
from nnunetv2_raemd.dicom.image_attributes import image_kind, rescale, slice_geometry
from nnunetv2_raemd.dicom.index_entries import (
    CtInstance,
    Delineation,
    Entry,
    ReferencedSeries,
    Roi,
    Unreadable,
)
from nnunetv2_raemd.dicom.mask_source import MaskSource
from nnunetv2_raemd.dicom.multi_frame import read_multi_frame
from nnunetv2_raemd.dicom.tag_values import number, sequence, text_of, uid_of, unique_texts
from nnunetv2_raemd.errors import UserError

# Label maps came into DICOM in 2024; pydicom 3.0 has no name for them yet.
_LABEL_MAP_STORAGE = "1.2.840.10008.5.1.4.1.1.66.7"
_SEGMENTATIONS = (SegmentationStorage, _LABEL_MAP_STORAGE)
_MULTI_FRAME_CT = (EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)
# No patient's name, birth date or the like is even read.
_TAGS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "PatientID",
    "FrameOfReferenceUID",
    "ImageType",
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "ConvolutionKernel",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "ReferencedFrameOfReferenceSequence",
    "StructureSetROISequence",
    "RTROIObservationsSequence",
    "ReferencedSeriesSequence",
    "SegmentSequence",
)


@discreet_reading()
def read_header(path: Path) -> Entry | None:
    """What one file is; None for what is no CT image, RTSTRUCT or SEG. Never raises."""
    try:
        dataset = read_tags(path, _TAGS)
        return None if dataset is None else _entry(path, dataset)
    except Exception as error:  # pydicom raises whatever a malformed header leads it to
        return Unreadable(path, describe(error), instance_uid_of_damaged(path))


def _entry(path: Path, dataset: Dataset) -> Entry | None:
    kind = dataset.get("SOPClassUID")
    if kind == CTImageStorage:
        return _single_ct(path, dataset)
    if kind == RTStructureSetStorage:
        return _structure_set(path, dataset)
    if kind in _MULTI_FRAME_CT:
        return read_multi_frame(path, _ct_instance(path, dataset))
    return _segmentation(path, dataset) if kind in _SEGMENTATIONS else None


def _single_ct(path: Path, dataset: Dataset) -> CtInstance:
    """CT images have one frame (DICOM PS3.3 A.3); of more, only the first has a place in the patient."""
    frames = int(number(dataset, "NumberOfFrames") or 1)
    if frames > 1:
        raise UserError(f"a CT image of {frames} frames, which only enhanced CT may have")
    return _ct_instance(path, dataset)


def _ct_instance(path: Path, dataset: Dataset) -> CtInstance:
    return CtInstance(
        path,
        **_identity(dataset),
        series_uid=uid_of(dataset.SeriesInstanceUID),
        frame_of_reference_uid=uid_of(dataset.get("FrameOfReferenceUID")),
        kind=image_kind(dataset),
        shape=(int(dataset.Rows), int(dataset.Columns)),
        geometry=slice_geometry(dataset, dataset, dataset),
        rescale=rescale(dataset),
    )


def _structure_set(path: Path, dataset: Dataset) -> Delineation:
    frames = sequence(dataset, "ReferencedFrameOfReferenceSequence")
    return Delineation(
        path,
        MaskSource.RTSTRUCT,
        **_identity(dataset),
        series=tuple(series for frame in frames for series in _series_of_frame(frame)),
        frame_of_reference_uids=_frames_of_reference(dataset),
        rois=_rois(dataset),
    )


def _frames_of_reference(dataset: Dataset) -> tuple[str, ...]:
    """Those that a structure set lists; where it lists none, its own and those of its ROIs."""
    listed = sequence(dataset, "ReferencedFrameOfReferenceSequence")
    items = listed or [dataset]
    uids = [uid_of(item.get("FrameOfReferenceUID")) for item in items]
    if not listed:
        rois = sequence(dataset, "StructureSetROISequence")
        uids += [uid_of(roi.get("ReferencedFrameOfReferenceUID")) for roi in rois]
    return tuple(dict.fromkeys(uid for uid in uids if uid))


def _segmentation(path: Path, dataset: Dataset) -> Delineation:
    frame = uid_of(dataset.get("FrameOfReferenceUID"))
    return Delineation(
        path,
        MaskSource.SEG,
        **_identity(dataset),
        series=tuple(
            _referenced_series(item, "ReferencedInstanceSequence", frame)
            for item in sequence(dataset, "ReferencedSeriesSequence")
        ),
        frame_of_reference_uids=(frame,),
        rois=tuple(_segment(item) for item in sequence(dataset, "SegmentSequence")),
    )


def _series_of_frame(frame: Dataset) -> list[ReferencedSeries]:
    uid = uid_of(frame.get("FrameOfReferenceUID"))
    return [
        _referenced_series(item, "ContourImageSequence", uid)
        for study in sequence(frame, "RTReferencedStudySequence")
        for item in sequence(study, "RTReferencedSeriesSequence")
    ]


def _referenced_series(item: Dataset, images: str, frame_of_reference_uid: str) -> ReferencedSeries:
    uids = tuple(dict.fromkeys(uid_of(i.get("ReferencedSOPInstanceUID")) for i in sequence(item, images)))
    return ReferencedSeries(uid_of(item.get("SeriesInstanceUID")), uids, frame_of_reference_uid)


def _identity(dataset: Dataset) -> dict[str, Any]:
    return {
        "sop_uid": uid_of(dataset.SOPInstanceUID),
        "study_uid": uid_of(dataset.get("StudyInstanceUID")),
        "patient_id": text_of(dataset.get("PatientID")),
    }


def _rois(dataset: Dataset) -> tuple[Roi, ...]:
    called: dict[int, list[Any]] = defaultdict(list)
    frames: dict[int, str] = {}
    for item in sequence(dataset, "StructureSetROISequence"):
        called[int(item.ROINumber)] += [item.get("ROIName"), item.get("ROIDescription")]
        frames[int(item.ROINumber)] = uid_of(item.get("ReferencedFrameOfReferenceUID"))
    for item in sequence(dataset, "RTROIObservationsSequence"):
        if item.get("ReferencedROINumber") in called:
            called[int(item.ReferencedROINumber)] += [
                item.get("ROIObservationLabel"),
                item.get("ROIObservationDescription"),
            ]
    return tuple(
        Roi(roi_number, unique_texts(names), frames[roi_number]) for roi_number, names in called.items()
    )


def _segment(item: Dataset) -> Roi:
    coded = [code.get("CodeMeaning") for code in sequence(item, "SegmentedPropertyTypeCodeSequence")]
    names = [item.get("SegmentLabel"), item.get("SegmentDescription"), *coded]
    return Roi(int(item.SegmentNumber), unique_texts(names))
