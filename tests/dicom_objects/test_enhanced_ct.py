"""Objects of an enhanced CT: they name its frames, and come back to the very same voxels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_patient import DicomPatient
from dicom_validator import errors
from enhanced_ct import enhanced_uid, write_enhanced_ct
from object_series import with_segments
from test_validator import of_all_kinds

from nnunetv2_raemd.dicom.ct_series import order_series
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.dicom.dicom_seg import CtSlices, draw_segments
from nnunetv2_raemd.dicom.rtstruct import draw_rois
from nnunetv2_raemd.dicom_objects.segmented_series import SegmentedSeries
from nnunetv2_raemd.dicom_objects.source_series import read_source

FILES: dict[str, Sequence[Sequence[int]]] = {
    "one file, frames in any order": [[3, 0, 7, 1, 2, 5, 6, 4]],
    "two files": [[0, 2, 4, 6], [7, 5, 3, 1]],
}


def enhanced(folder: Path, files: Sequence[Sequence[int]]) -> tuple[DicomPatient, SegmentedSeries]:
    patient = DicomPatient(folder / "ct")
    for number, frames in enumerate(files):
        write_enhanced_ct(patient, patient.folder / f"{number}.dcm", frames)
    series = order_series(index_folder(patient.folder).ct[patient.uids["ct"]])
    return patient, with_segments(read_source(series))


@pytest.mark.parametrize("files", FILES.values(), ids=FILES.keys())
def test_the_voxels_come_back_and_every_object_is_valid(
    tmp_path: Path, files: Sequence[Sequence[int]]
) -> None:
    _, series = enhanced(tmp_path, files)
    written = {file.name: file for file in of_all_kinds(series, tmp_path / "out")}
    assert len(written) == 6
    found = {d.path.name: d for d in index_folder(tmp_path / "out").delineations}
    slices = CtSlices(series.source.stack, series.source.image_uids)
    for number in (1, 2, 3):
        expected = series.numbers == number
        seg = found["case.seg.dcm"]
        assert np.array_equal(draw_segments(seg.path, [seg.rois[number - 1]], slices).mask, expected)
        structure_set = found["case.rtstruct.dcm"]
        rois = [structure_set.rois[number - 1]]
        assert np.array_equal(draw_rois(structure_set.path, rois, series.source.stack).mask, expected)
    assert {name: errors(file) for name, file in written.items()} == {name: [] for name in written}


@pytest.mark.parametrize("kind", ["seg", "probability", "uncertainty"])
def test_each_frame_names_the_frame_of_the_ct_that_lies_there(tmp_path: Path, kind: str) -> None:
    files = FILES["two files"]
    patient, series = enhanced(tmp_path, files)
    of_all_kinds(series, tmp_path / "out")
    made = pydicom.dcmread(tmp_path / "out" / f"case.{kind}.dcm")
    uids = [enhanced_uid(patient, patient.folder / f"{n}.dcm") for n in range(2)]
    for group in made.PerFrameFunctionalGroupsSequence:
        (source,) = group.DerivationImageSequence[0].SourceImageSequence
        assert source.ReferencedSOPClassUID == pydicom.uid.EnhancedCTImageStorage
        frames = files[uids.index(source.ReferencedSOPInstanceUID)]
        place = group.PlanePositionSequence[0].ImagePositionPatient
        index = frames[int(source.ReferencedFrameNumber) - 1]
        assert np.allclose(np.array(place, float), patient.position(index), atol=1e-6)
    (referenced,) = made.ReferencedSeriesSequence
    named = [item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence]
    assert sorted(named) == sorted(uids)


def test_contours_and_report_name_files_that_there_are(tmp_path: Path) -> None:
    files = FILES["one file, frames in any order"]
    patient, series = enhanced(tmp_path, files)
    of_all_kinds(series, tmp_path / "out")
    uid = enhanced_uid(patient, patient.folder / "0.dcm")
    structure_set = pydicom.dcmread(tmp_path / "out" / "case.rtstruct.dcm")
    contours = [c for roi in structure_set.ROIContourSequence for c in roi.ContourSequence]
    for contour in contours:
        (image,) = contour.ContourImageSequence
        assert image.ReferencedSOPInstanceUID == uid
        height = patient.position(files[0][image.ReferencedFrameNumber - 1])[2]
        assert float(contour.ContourData[2]) == pytest.approx(height)
    report = pydicom.dcmread(tmp_path / "out" / "case.sr.dcm")
    evidence = [
        item.ReferencedSOPInstanceUID
        for sequence in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
        for study in report.get(sequence, ())
        for referenced in study.ReferencedSeriesSequence
        for item in referenced.ReferencedSOPSequence
    ]
    seg = pydicom.dcmread(tmp_path / "out" / "case.seg.dcm")
    assert set(evidence) <= {uid, seg.SOPInstanceUID}
    assert seg.SOPInstanceUID in evidence
