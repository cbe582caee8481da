"""Masks as a DICOM structure set (DICOM PS3.3 A.19, RT Structure Set IOD)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, RTStructureSetStorage

from nnunetv2_raemd.phantom.dicom_ct import DicomCase, common_dataset
from nnunetv2_raemd.phantom.mask_outlines import trace_outlines

DETACHED_STUDY_MANAGEMENT = "1.2.840.10008.3.1.2.3.1"  # retired; what (3006,0012) is required to name
COLOURS = ([255, 0, 0], [0, 255, 0], [0, 128, 255], [255, 255, 0], [255, 0, 255], [0, 255, 255])

Masks = Mapping[str, NDArray[np.bool_]]


def write_rtstruct(path: Path, case: DicomCase, rois: Masks) -> None:
    """Write the masks as contours that an even-odd fill of pixel centres turns back exactly.

    ROIs are numbered in the order of `rois`; their contours follow in another order, as DICOM allows: only
    the ROI number joins the two.

    Args:
        path: the file.
        case: whose CT series the contours refer to.
        rois: (z, y, x) mask by ROI name.
    """
    path.parent.mkdir(parents=True)
    dataset = common_dataset(case, RTStructureSetStorage, case.uid("structure set"), "rtstruct")
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "RTSTRUCT", 2, 1
    dataset.OperatorsName = ""
    dataset.StructureSetLabel = dataset.StructureSetName = "PHANTOM"
    dataset.StructureSetDate, dataset.StructureSetTime = "20140101", "000000"
    dataset.ReferencedFrameOfReferenceSequence = Sequence([_referenced_series(case)])
    numbered = list(enumerate(rois.items(), start=1))
    dataset.StructureSetROISequence = Sequence([_roi(case, k, name) for k, (name, _) in numbered])
    dataset.ROIContourSequence = Sequence([_contours(case, k, mask) for k, (_, mask) in reversed(numbered)])
    dataset.RTROIObservationsSequence = Sequence([_observation(k, name) for k, (name, _) in numbered])
    dataset.ApprovalStatus = "UNAPPROVED"
    dataset.save_as(path, enforce_file_format=True)


def _reference(sop_class: str, sop_instance: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, sop_instance
    return item


def _referenced_series(case: DicomCase) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = case.uid("ct")
    series.ContourImageSequence = Sequence(
        [_reference(CTImageStorage, case.slice_uid(index)) for index in range(case.slices)]
    )
    study = _reference(DETACHED_STUDY_MANAGEMENT, case.uid("study"))
    study.RTReferencedSeriesSequence = Sequence([series])
    frame = Dataset()
    frame.FrameOfReferenceUID = case.uid("frame of reference")
    frame.RTReferencedStudySequence = Sequence([study])
    return frame


def _roi(case: DicomCase, number: int, name: str) -> Dataset:
    item = Dataset()
    item.ROINumber, item.ROIName = number, name
    item.ReferencedFrameOfReferenceUID = case.uid("frame of reference")
    item.ROIGenerationAlgorithm = "AUTOMATIC"
    return item


def _observation(number: int, name: str) -> Dataset:
    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = number
    item.RTROIInterpretedType = "GTV" if name.startswith("GTV") else "ORGAN"
    item.ROIInterpreter = ""
    return item


def _contours(case: DicomCase, number: int, mask: NDArray[np.bool_]) -> Dataset:
    item = Dataset()
    item.ReferencedROINumber = number
    item.ROIDisplayColor = COLOURS[(number - 1) % len(COLOURS)]
    item.ContourSequence = Sequence(_slice_contours(case, mask))
    return item


def _slice_contours(case: DicomCase, mask: NDArray[np.bool_]) -> Iterator[Dataset]:
    for index in np.flatnonzero(mask.any(axis=(1, 2))).tolist():
        for outline in trace_outlines(mask[index]):
            contour = Dataset()
            contour.ContourImageSequence = Sequence([_reference(CTImageStorage, case.slice_uid(index))])
            contour.ContourGeometricType = "CLOSED_PLANAR"
            contour.NumberOfContourPoints = len(outline)
            contour.ContourData = _contour_data(case, outline, index)
            yield contour


def _contour_data(case: DicomCase, outline: NDArray[np.float64], index: int) -> list[float]:
    """Corners in mm, rounded to 0.1 micrometre: a decimal string holds 16 characters."""
    points = np.empty((len(outline), 3))
    points[:, 0] = case.origin_mm[0] + outline[:, 1] * case.spacing_mm[2]
    points[:, 1] = case.origin_mm[1] + outline[:, 0] * case.spacing_mm[1]
    points[:, 2] = case.slice_z_mm(index)
    return [float(value) for value in np.round(points, 4).ravel()]
