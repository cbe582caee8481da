"""DICOM RTSTRUCT (PS3.3 A.19): contours that enclose exactly the voxels of each segment."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ImplicitVRLittleEndian, RTStructureSetStorage

from nnunetv2_raemd.dicom_objects import equipment
from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.segmented_series import Segment, SegmentedSeries
from nnunetv2_raemd.dicom_objects.source_attributes import DEIDENTIFIED, PATIENT_AND_STUDY
from nnunetv2_raemd.dicom_objects.source_frames import by_file, reference_item
from nnunetv2_raemd.dicom_objects.source_series import SourceSeries
from nnunetv2_raemd.rasterize.outlines import outline_mask

_STUDY_MANAGEMENT = (
    "1.2.840.10008.3.1.2.3.1"  # Detached Study Management: what RTReferencedStudySequence names
)
_DECIMALS = 6  # of a millimetre in ContourData; DS holds 16 characters


def rtstruct_object(series: SegmentedSeries) -> Dataset:
    """An RTSTRUCT with an ROI for each segment; a segment without voxels is an ROI without contours.

    Implicit VR, because in explicit VR the coordinates of one contour may take no more than 64 kB.
    """
    structure_set = _structure_set(series)
    source, segments = series.source, list(enumerate(series.segments, start=1))
    frame = str(source.first.FrameOfReferenceUID)
    structure_set.ReferencedFrameOfReferenceSequence = [_referenced_frame(source)]
    structure_set.StructureSetROISequence = [
        _item(
            ROINumber=number,
            ReferencedFrameOfReferenceUID=frame,
            ROIName=segment.name,
            ROIGenerationAlgorithm="AUTOMATIC",
            ROIGenerationDescription=f"{series.algorithm.name} {series.algorithm.version}"[:64],
        )
        for number, segment in segments
    ]
    structure_set.ROIContourSequence = [_roi_contours(number, one, series) for number, one in segments]
    structure_set.RTROIObservationsSequence = [
        _item(
            ObservationNumber=number,
            ReferencedROINumber=number,
            RTROIIdentificationCodeSequence=[_code(segment)],
            RTROIInterpretedType=segment.finding.interpreted_type,
            ROIInterpreter="",
        )
        for number, segment in segments
    ]
    structure_set.ApprovalStatus = "UNAPPROVED"
    return structure_set


def _structure_set(series: SegmentedSeries) -> Dataset:
    first, now = series.source.first, datetime.datetime.now()
    made = _item(
        SpecificCharacterSet=first.SpecificCharacterSet,
        SOPClassUID=RTStructureSetStorage,
        SOPInstanceUID=series.uid("RTSTRUCT"),
        **{name: first[name].value for name in (*PATIENT_AND_STUDY, *DEIDENTIFIED) if name in first},
        StudyInstanceUID=first.StudyInstanceUID,
        Modality="RTSTRUCT",
        SeriesInstanceUID=series.series_uid(ObjectKind.RTSTRUCT.value),
        SeriesNumber=equipment.RTSTRUCT_SERIES,
        SeriesDescription="RAEMD-Net contours",
        OperatorsName="",
        InstanceNumber=1,
        FrameOfReferenceUID=first.FrameOfReferenceUID,
        PositionReferenceIndicator=first.get("PositionReferenceIndicator", ""),
        Manufacturer=equipment.MANUFACTURER,
        ManufacturerModelName=equipment.MODEL_NAME,
        DeviceSerialNumber=equipment.SERIAL_NUMBER,
        SoftwareVersions=series.algorithm.version,
        InstanceCreationDate=now.strftime("%Y%m%d"),
        InstanceCreationTime=now.strftime("%H%M%S"),
        StructureSetLabel="RAEMD_NET",
        StructureSetDate=now.strftime("%Y%m%d"),
        StructureSetTime=now.strftime("%H%M%S"),
    )
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    return made


def _referenced_frame(source: SourceSeries) -> Dataset:
    first = source.first
    images = [reference_item(file, with_frames=False) for file in by_file(source.references)]
    of_series = _item(SeriesInstanceUID=first.SeriesInstanceUID, ContourImageSequence=images)
    study = _item(
        ReferencedSOPClassUID=_STUDY_MANAGEMENT,
        ReferencedSOPInstanceUID=first.StudyInstanceUID,
        RTReferencedSeriesSequence=[of_series],
    )
    return _item(FrameOfReferenceUID=first.FrameOfReferenceUID, RTReferencedStudySequence=[study])


def _roi_contours(number: int, segment: Segment, series: SegmentedSeries) -> Dataset:
    contours = list(_contours(segment, series))
    roi = _item(ROIDisplayColor=list(segment.finding.color), ReferencedROINumber=number)
    for place, contour in enumerate(contours, start=1):
        contour.ContourNumber = place
    if contours:
        roi.ContourSequence = contours
    return roi


def _contours(segment: Segment, series: SegmentedSeries) -> Iterator[Dataset]:
    for index, start, mask in series.masks(segment):
        image = [reference_item([series.source.references[index]])]
        for polygon in outline_mask(mask):
            yield _item(
                ContourImageSequence=image,
                ContourGeometricType="CLOSED_PLANAR",
                NumberOfContourPoints=len(polygon),
                ContourData=_coordinates(polygon + start, series.source, index),
            )


def _coordinates(polygon: np.ndarray, source: SourceSeries, index: int) -> list[str]:
    """(row, column) in slice `index` as x, y, z in mm, one after the other."""
    steps = np.stack([source.stack.row_step_mm, source.stack.column_step_mm])
    points_mm = source.stack.positions_mm[index] + polygon @ steps
    return [f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".") for value in points_mm.ravel()]


def _code(segment: Segment) -> Dataset:
    code = segment.finding.type
    return _item(
        CodeValue=code.value, CodingSchemeDesignator=code.scheme_designator, CodeMeaning=code.meaning
    )


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, str(value) if isinstance(value, UID) else value)
    return item
