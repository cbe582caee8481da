"""RTSTRUCTs: read back by the converter, the voxels are the very same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from object_series import with_segments

from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.dicom.rtstruct import draw_rois
from nnunetv2_raemd.dicom_objects.coded_terms import finding_of
from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.segmented_series import SegmentedSeries
from nnunetv2_raemd.dicom_objects.source_series import SourceSeries
from nnunetv2_raemd.dicom_objects.written_objects import write_objects


def written(series: SegmentedSeries, folder: Path) -> Path:
    (file,) = write_objects(series, [ObjectKind.RTSTRUCT], folder / "out", "case")
    return file


def test_the_voxels_come_back(segmented: SegmentedSeries, tmp_path: Path) -> None:
    file = written(segmented, tmp_path)
    (structure_set,) = index_folder(file.parent).delineations
    assert [roi.names for roi in structure_set.rois] == [("nodule 1",), ("nodule 2",), ("nodule 3",)]
    for roi, segment in zip(structure_set.rois, segmented.segments, strict=True):
        drawn = draw_rois(file, [roi], segmented.source.stack)
        assert np.array_equal(drawn.mask, np.isin(segmented.numbers, segment.values))
        assert not drawn.problems


def test_each_contour_lies_in_the_image_it_names(segmented: SegmentedSeries, tmp_path: Path) -> None:
    structure_set = pydicom.dcmread(written(segmented, tmp_path))
    planes = {
        str(h.SOPInstanceUID): (np.array(h.ImagePositionPatient), segmented.source.stack.normal)
        for h in segmented.source.headers
    }
    contours = [c for roi in structure_set.ROIContourSequence for c in roi.ContourSequence]
    assert len(contours) > 10
    for contour in contours:
        position, normal = planes[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
        points = np.reshape(contour.ContourData, (-1, 3)).astype(float)
        assert len(points) == contour.NumberOfContourPoints
        assert np.abs((points - position) @ normal).max() < 1e-4
        assert all(len(str(text)) <= 16 for text in contour.ContourData)


def test_study_patient_and_frame_are_those_of_the_source(
    make_ct: Callable[..., SourceSeries], tmp_path: Path
) -> None:
    source = make_ct(changes={"AccessionNumber": "A17", "StudyDate": "20240229", "PatientSex": "F"})
    structure_set = pydicom.dcmread(written(with_segments(source), tmp_path))
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "AccessionNumber"):
        assert structure_set[keyword].value == source.first[keyword].value
    assert structure_set.StudyDate == "20240229" and structure_set.PatientSex == "F"
    assert structure_set.FrameOfReferenceUID == source.first.FrameOfReferenceUID
    assert structure_set.SeriesInstanceUID != source.uid


def test_nothing_found_is_rois_without_contours(make_ct: Callable[..., SourceSeries], tmp_path: Path) -> None:
    series = with_segments(make_ct(), np.zeros((8, 12, 16), np.uint16))
    structure_set = pydicom.dcmread(written(series, tmp_path))
    assert len(structure_set.StructureSetROISequence) == 3
    assert all("ContourSequence" not in roi for roi in structure_set.ROIContourSequence)


@pytest.mark.parametrize("label", ["tumour", "lung"])
def test_interpreted_types(make_ct: Callable[..., SourceSeries], tmp_path: Path, label: str) -> None:
    series = with_segments(make_ct())
    changed = replace(series.segments[0], name=label, finding=finding_of(label))
    structure_set = pydicom.dcmread(written(replace(series, segments=(changed,)), tmp_path))
    (observation,) = structure_set.RTROIObservationsSequence
    assert observation.RTROIInterpretedType == {"tumour": "GTV", "lung": "ORGAN"}[label]
    code = observation.RTROIIdentificationCodeSequence[0]
    assert code.CodeValue == {"tumour": "108369006", "lung": "39607008"}[label]
