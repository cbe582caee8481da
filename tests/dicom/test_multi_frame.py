"""Enhanced CT, many frames in one file, gives what single images give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_patient import DicomPatient, MakePatient, item, save
from enhanced_ct import enhanced_uid, write_enhanced_ct
from pydicom.uid import RLELossless

from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.patient_case import MaskChoice
from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.patient_matching import (
    find_nsclc_radiomics_cases,
)
from nnunetv2_raemd.dicom.ct_series import order_series, read_hu
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.errors import UserError

ORDER = [3, 0, 7, 1, 2, 5, 6, 4]
OBLIQUE = (0.36, 0.48, -0.8, -0.8, 0.6, 0.0)


@pytest.mark.parametrize("shared", [("orientation", "rescale"), (), ("orientation", "rescale", "content")])
@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), OBLIQUE])
def test_same_case_as_from_single_images(
    make_patient: MakePatient, tmp_path: Path, shared: tuple[str, ...], orientation: tuple[float, ...]
) -> None:
    patient = make_patient(orientation=orientation)
    file = patient.folder / "enhanced.dcm"
    write_enhanced_ct(patient, file, ORDER, shared=shared)
    write_structure_set(patient, file)
    (case,) = find_nsclc_radiomics_cases(index_folder(tmp_path / "dicom"), choice=MaskChoice()).cases
    loaded = case.load()
    assert np.array_equal(sitk.GetArrayFromImage(loaded.image), patient.stored.astype(int) - 1024)
    expected = np.zeros((8, 12, 16))
    expected[2:4, 3:6, 4:10] = 1
    assert np.array_equal(sitk.GetArrayFromImage(loaded.label), expected)
    assert loaded.image.GetSpacing() == (1.5, 2.0, 3.0) and loaded.details["checks"] == []
    assert np.allclose(loaded.image.GetOrigin(), patient.position(0), atol=1e-5)


def write_structure_set(patient: DicomPatient, ct: Path) -> None:
    """Contours that name the frames of the file `ct`."""
    rtstruct = patient.write_rtstruct({"GTV-1": patient.box([2, 3], rows=(3, 5), columns=(4, 9))})
    dataset = pydicom.dcmread(rtstruct)
    study = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    uid = enhanced_uid(patient, ct)
    study.RTReferencedSeriesSequence[0].ContourImageSequence = [item(ReferencedSOPInstanceUID=uid)]
    for contour, index in zip(dataset.ROIContourSequence[0].ContourSequence, (2, 3), strict=True):
        frame = ORDER.index(index) + 1
        contour.ContourImageSequence = [item(ReferencedSOPInstanceUID=uid, ReferencedFrameNumber=frame)]
    save(dataset, rtstruct)


def test_two_files_of_one_series_are_one_scan(make_patient: MakePatient) -> None:
    """As in a concatenation."""
    patient = make_patient()
    write_enhanced_ct(patient, patient.folder / "a.dcm", range(5))
    write_enhanced_ct(patient, patient.folder / "b.dcm", range(5, 8))
    series = order_series(index_folder(patient.folder).ct[patient.uids["ct"]])
    assert np.array_equal(read_hu(series), patient.stored.astype(int) - 1024)


def test_compressed_frames(make_patient: MakePatient) -> None:
    patient = make_patient()
    file = patient.folder / "a.dcm"
    write_enhanced_ct(patient, file, ORDER)
    dataset = pydicom.dcmread(file)
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(file)
    series = order_series(index_folder(patient.folder).ct[patient.uids["ct"]])
    assert np.array_equal(read_hu(series), patient.stored.astype(int) - 1024)


def test_acquisitions_of_one_file_are_told_apart(make_patient: MakePatient) -> None:
    patient = make_patient(heights_mm=[0.0, 3, 6, 9, 12, 4, 7, 10])
    file = patient.folder / "a.dcm"
    dataset = write_enhanced_ct(patient, file, range(8))
    for groups in dataset.PerFrameFunctionalGroupsSequence[5:]:
        groups.FrameContentSequence[0].FrameAcquisitionNumber = 2
    save(dataset, file)
    with pytest.raises(UserError, match=r"holds 2 scans.*acquisition 1.*5 images.*acquisition 2.*3 images"):
        order_series(index_folder(patient.folder).ct[patient.uids["ct"]])


@pytest.mark.parametrize("second", [[13.5, 16.5, 19.5], [15.0, 18, 21], [1.5, 4.5, 7.5]])
def test_stacks_of_one_file_are_told_apart(make_patient: MakePatient, second: list[float]) -> None:
    """The second between the slices of the first would pass for one scan; one that goes on with it is one."""
    patient = make_patient(heights_mm=[0.0, 3, 6, 9, 12, *second])
    file = patient.folder / "a.dcm"
    dataset = write_enhanced_ct(patient, file, range(8), shared=("orientation", "rescale"))
    for index, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        content = groups.FrameContentSequence[0]
        content.StackID = "1" if index < 5 else "2"
        content.DimensionIndexValues = [8 - index]  # the order on the screen, not in space
    save(dataset, file)
    images = index_folder(patient.folder).ct[patient.uids["ct"]]
    if second[0] == 15:
        assert np.array_equal(read_hu(order_series(images)), patient.stored.astype(int) - 1024)
    else:
        with pytest.raises(UserError, match=r"holds 2 scans.*stack 1.*5 images.*stack 2.*3 images"):
            order_series(images)


def test_each_frame_has_its_own_rescale(make_patient: MakePatient) -> None:
    """Scanners that store 12 bits choose slope and intercept frame by frame."""
    patient = make_patient()
    file = patient.folder / "a.dcm"
    dataset = write_enhanced_ct(patient, file, ORDER, shared=("orientation",))
    for index, groups in zip(ORDER, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        values = groups.PixelValueTransformationSequence[0]
        values.RescaleSlope, values.RescaleIntercept = 1 + index % 2, -1024 - index
    save(dataset, file)
    places = np.arange(8)[:, None, None]
    expected = patient.stored.astype(int) * (1 + places % 2) - 1024 - places
    assert np.array_equal(
        read_hu(order_series(index_folder(patient.folder).ct[patient.uids["ct"]])), expected
    )


def test_file_without_all_its_frames_is_named(make_patient: MakePatient) -> None:
    patient = make_patient()
    file = patient.folder / "a.dcm"
    dataset = write_enhanced_ct(patient, file, ORDER)
    dataset.PixelData = dataset.PixelData[:-500]
    save(dataset, file)
    with pytest.raises(UserError, match="cut off") as error:
        read_hu(order_series(index_folder(patient.folder).ct[patient.uids["ct"]]))
    assert str(file) in str(error.value)
