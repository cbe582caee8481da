"""NSCLC-Radiomics to nnU-Net: matching of files, uneven series, and a real patient."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_patient import DicomPatient, MakePatient, save
from pydicom.dataset import Dataset, FileMetaDataset

from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.nsclc_radiomics_choices import (
    DEFAULT_ROI,
    KNOWN_EXCLUSIONS,
    Incomplete,
    Irregular,
    SparseContours,
)
from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.patient_case import ContouredCt, MaskChoice
from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.patient_matching import (
    find_nsclc_radiomics_cases,
)
from nnunetv2_raemd.dataset_conversion.case import Case, CaseExcludedError, FoundCases, Status
from nnunetv2_raemd.dicom.ct_series import order_series
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.dicom.roi_choice import RoiChoice
from nnunetv2_raemd.errors import UserError

OBLIQUE = (0.36, 0.48, -0.8, -0.8, 0.6, 0.0)


def cases_in(folder: Path, *, roi: str = DEFAULT_ROI, merge: bool = False, **choices: Any) -> FoundCases:
    choice = MaskChoice(RoiChoice(roi, merge), **choices)
    return find_nsclc_radiomics_cases(index_folder(folder), choice=choice)


def contoured(case: Case) -> ContouredCt:
    assert isinstance(case, ContouredCt)
    return case


def write(patient: DicomPatient, slices: Sequence[int] = (2, 3)) -> None:
    patient.write_ct()
    patient.write_rtstruct({"GTV-1": patient.box(slices, rows=(3, 5), columns=(4, 9)), "Heart": []})


def reasons(result: FoundCases) -> dict[str, str]:
    return {o.case_id: o.reason for o in result.rejected}


@pytest.mark.parametrize(
    "orientation", [(1, 0, 0, 0, 1, 0), (-1, 0, 0, 0, -1, 0), (0, 1, 0, 0, 0, -1), OBLIQUE]
)
def test_image_and_mask_are_exact(
    make_patient: MakePatient, tmp_path: Path, orientation: tuple[float, ...]
) -> None:
    patient = make_patient(orientation=orientation)
    write(patient)
    (case,) = cases_in(tmp_path / "dicom").cases
    loaded = case.load()
    assert case.case_id == case.patient_id == "LUNG1-900"
    assert np.array_equal(sitk.GetArrayFromImage(loaded.image), patient.stored.astype(int) - 1024)
    expected = np.zeros((8, 12, 16))
    expected[2:4, 3:6, 4:10] = 1
    assert np.array_equal(sitk.GetArrayFromImage(loaded.label), expected)
    assert loaded.image.GetDirection() == loaded.label.GetDirection()
    assert loaded.details["rois_found"] == ["GTV-1", "Heart"] and loaded.details["checks"] == []


@pytest.mark.parametrize("implicit", [True, False])
def test_files_of_old_writers_without_preamble(
    make_patient: MakePatient, tmp_path: Path, implicit: bool
) -> None:
    patient = make_patient()
    write(patient)
    for file in (tmp_path / "dicom").rglob("*.dcm"):
        dataset = pydicom.dcmread(file)
        dataset.file_meta, dataset.preamble = FileMetaDataset(), None
        dataset.save_as(file, implicit_vr=implicit, little_endian=True)
        assert file.read_bytes()[128:132] != b"DICM"
    loaded = cases_in(tmp_path / "dicom").cases[0].load()
    assert np.array_equal(sitk.GetArrayFromImage(loaded.image), patient.stored.astype(int) - 1024)
    assert sitk.GetArrayFromImage(loaded.label).sum() == 36


def test_series_is_the_one_the_contours_reference(make_patient: MakePatient, tmp_path: Path) -> None:
    patient = make_patient()
    write(patient)
    other = make_patient()
    other.uids = {**patient.uids, "ct": "1.2.3", "frame": "1.2.4"}
    other.folder = tmp_path / "dicom" / "another series"
    other.write_ct()
    (case,) = cases_in(tmp_path / "dicom").cases
    assert {image.series_uid for image in contoured(case).ct.images} == {patient.uids["ct"]}


def test_of_two_series_referenced_the_contours_decide(make_patient: MakePatient, tmp_path: Path) -> None:
    """LUNG1-103 has two CT series; a structure set may list both."""
    patient, other = make_patient(), make_patient(heights_mm=[200.0, 203, 206])
    other.uids = {**patient.uids, "ct": "1.2.3"}
    other.folder = tmp_path / "dicom" / "another series"
    for index in range(3):
        save(other.ct_slice(index, SOPInstanceUID=f"1.2.3.{index}"), other.folder / f"{index}.dcm")
    patient.write_ct()
    file = patient.write_rtstruct({"GTV-1": patient.box([2], rows=(3, 5), columns=(4, 9))})
    dataset = pydicom.dcmread(file)
    study = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    second = Dataset()
    second.SeriesInstanceUID = "1.2.3"
    study.RTReferencedSeriesSequence.append(second)
    save(dataset, file)
    (case,) = cases_in(tmp_path / "dicom").cases
    assert {image.series_uid for image in contoured(case).ct.images} == {patient.uids["ct"]}
    del dataset.ROIContourSequence[0].ContourSequence[0].ContourImageSequence
    save(dataset, file)
    assert "drawn on 2 CT series" in reasons(cases_in(tmp_path / "dicom"))["LUNG1-900"]


def test_absent_reference_falls_back_to_the_frame_of_reference(
    make_patient: MakePatient, tmp_path: Path
) -> None:
    patient = make_patient()
    patient.write_ct()
    patient.write_rtstruct({"GTV-1": patient.box([2], rows=(3, 5), columns=(4, 9))}, series="1.9.9")
    (case,) = cases_in(tmp_path / "dicom").cases
    assert "frame of reference" in case.load().details["checks"][0]


def test_what_cannot_be_matched_is_rejected_with_the_reason(
    make_patient: MakePatient, tmp_path: Path
) -> None:
    make_patient("no contours").write_ct()
    patient = make_patient("no scan")
    patient.write_rtstruct({"GTV-1": patient.box([2], rows=(3, 5), columns=(4, 9))})
    patient = make_patient("no tumour")
    patient.write_ct()
    patient.write_rtstruct({"Heart": patient.box([2], rows=(3, 5), columns=(4, 9))})
    patient = make_patient("two opinions")
    write(patient)
    patient.write_rtstruct({"gtv1": patient.box([2], rows=(3, 5), columns=(4, 9))}, name="second.dcm")
    write(make_patient("fine"))
    result = cases_in(tmp_path / "dicom")
    assert [case.case_id for case in result.cases] == ["fine"]
    found = reasons(result)
    assert found["no_contours"] == "there is a CT but no RTSTRUCT or SEG"
    assert "not among the input" in found["no_scan"]
    assert "there are: Heart" in found["no_tumour"]
    assert "2 rtstruct files have the ROI" in found["two_opinions"]
    assert all(o.status is Status.FAILED for o in result.rejected)


def test_uids_and_not_patient_ids_join_contours_to_their_ct(
    make_patient: MakePatient, tmp_path: Path
) -> None:
    patient = make_patient()
    write(patient)
    dataset = pydicom.dcmread(patient.folder / "rt.dcm")
    dataset.PatientID = "called otherwise"
    save(dataset, patient.folder / "rt.dcm")
    result = cases_in(tmp_path / "dicom")
    assert [case.patient_id for case in result.cases] == ["LUNG1-900"] and not result.rejected


def test_copy_of_a_structure_set_is_no_second_opinion(make_patient: MakePatient, tmp_path: Path) -> None:
    patient = make_patient()
    write(patient)
    (patient.folder / "copy.dcm").write_bytes((patient.folder / "rt.dcm").read_bytes())
    assert len(cases_in(tmp_path / "dicom").cases) == 1


LAYOUTS = {
    "classic": "NSCLC-Radiomics/{patient}/09-18-2008-StudyID-NA-69331/0.000000-NA-82046/1-{number:03d}.dcm",
    "new": "NSCLC-Radiomics/{patient}/{study}/{series}/1-{number:03d}.dcm",
    "flat UIDs": "{series}/1-{number:03d}.dcm",
    "IDC bucket": "{number:08x}-{instance}/{instance}.dcm",
    "one folder": "{instance}",
    "folders that lie": "LUNG1-555/RTSTRUCT/{instance}.dcm",
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_any_layout_of_folders_gives_the_same(make_patient: MakePatient, tmp_path: Path, layout: str) -> None:
    """With a metadata.csv that tells of other files: it is not read."""
    patients = [make_patient(f"LUNG1-90{number}") for number in range(2)]
    for patient in patients:
        write(patient)
    for number, file in enumerate(sorted((tmp_path / "dicom").rglob("*.dcm"))):
        header = pydicom.dcmread(file, stop_before_pixels=True)
        place = layout.format(
            patient=header.PatientID,
            study=header.StudyInstanceUID,
            series=header.SeriesInstanceUID,
            instance=header.SOPInstanceUID,
            number=number,
        )
        (tmp_path / "moved" / place).parent.mkdir(parents=True, exist_ok=True)
        file.rename(tmp_path / "moved" / place)
    (tmp_path / "moved" / "metadata.csv").write_text("Series UID,Subject ID,Modality\n1.2,LUNG1-777,CT\n")
    result = cases_in(tmp_path / "moved")
    assert [case.case_id for case in result.cases] == ["LUNG1-900", "LUNG1-901"] and not result.rejected
    for case, patient in zip(result.cases, patients, strict=True):
        loaded = case.load()
        assert np.array_equal(sitk.GetArrayFromImage(loaded.image), patient.stored.astype(int) - 1024)
        assert sitk.GetArrayFromImage(loaded.label).sum() == 36 and not loaded.details["checks"]


@pytest.mark.parametrize(
    ("roi", "merge", "voxels"),
    [(DEFAULT_ROI, False, 18), (DEFAULT_ROI, True, 18), (r"gtv-\d", True, 54), (r"gtv-[13]", True, 36)],
)
def test_lung1_003_with_and_without_merge(
    make_patient: MakePatient, tmp_path: Path, roi: str, merge: bool, voxels: int
) -> None:
    patient = make_patient("LUNG1-003")
    patient.write_ct()
    tumours = {
        name: patient.box([slice_], rows=(3, 5), columns=(4, 9))
        for slice_, name in enumerate(("GTV-1", "gtv-2", "gtv-3"), start=1)
    }
    patient.write_rtstruct({"Lung-Left": [], **tumours})
    (case,) = cases_in(tmp_path / "dicom", roi=roi, merge=merge).cases
    loaded = case.load()
    assert sitk.GetArrayFromImage(loaded.label).sum() == voxels
    assert loaded.details["rois_found"] == ["Lung-Left", "GTV-1", "gtv-2", "gtv-3"]
    assert len(loaded.details["rois_used"]) == voxels // 18


def test_roi_in_another_frame_of_reference_is_refused(make_patient: MakePatient, tmp_path: Path) -> None:
    patient = make_patient()
    write(patient)
    file = patient.folder / "rt.dcm"
    dataset = pydicom.dcmread(file)
    dataset.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = "1.2.3"
    save(dataset, file)
    assert "another frame of reference" in reasons(cases_in(tmp_path / "dicom"))["LUNG1-900"]
    for frame in ("1.2.3", patient.uids["frame"]):
        dataset.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID = frame
        dataset.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = frame
        save(dataset, file)
        (case,) = cases_in(tmp_path / "dicom").cases
        noted = [note for note in case.load().details["checks"] if "another frame of reference" in note]
        assert bool(noted) == (frame == "1.2.3")  # the file says so of the CT too, and then must be believed


def test_no_value_of_an_identifying_tag_reaches_a_message(
    make_patient: MakePatient,
    tmp_path: Path,
    recwarn: pytest.WarningsRecorder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every file is cut off or corrupted at many places, in headers that hold a name and a birth date."""
    patient = make_patient()
    write(patient)
    said: list[str] = []
    for source in (patient.folder / "rt.dcm", next((patient.folder / "ct").iterdir())):
        whole = source.read_bytes()
        for place in range(132, len(whole), max(1, len(whole) // 25)):
            for damaged in (whole[:place], whole[:place] + b"Secret^" + whole[place + 7 :]):
                source.write_bytes(damaged)
                said += _all_that_is_said(tmp_path / "dicom")
        source.write_bytes(whole)
    said += [str(warning.message) for warning in recwarn] + caplog.messages
    assert len(set(said)) > 5
    assert not [text for text in said if "Secret^Name" in text or "19000101" in text]


def _all_that_is_said(folder: Path) -> list[str]:
    try:
        result = cases_in(folder)
    except UserError as error:
        return [str(error)]
    said = [outcome.reason for outcome in result.rejected]
    for case in result.cases:
        try:
            said.append(repr(case.load().details))
        except UserError as error:
            said.append(str(error))
    return said


def test_known_exclusion_is_no_failure(make_patient: MakePatient, tmp_path: Path) -> None:
    write(make_patient("LUNG1-128"))
    result = cases_in(tmp_path / "dicom")
    assert not result.cases and result.rejected[0].status is Status.EXCLUDED
    choice = MaskChoice()
    assert find_nsclc_radiomics_cases(index_folder(tmp_path / "dicom"), choice=choice, excluded={}).cases


def test_exclusion_of_nobody_is_mentioned(make_patient: MakePatient, tmp_path: Path) -> None:
    """A typing error would otherwise let a patient in whom the user wants out; '' stands for nobody."""
    write(make_patient("A"))
    found = index_folder(tmp_path / "dicom")
    result = find_nsclc_radiomics_cases(found, choice=MaskChoice(), excluded={"a": "asked", "A": "asked"})
    assert result.remarks == ("there is no patient to leave out called a",) and not result.cases
    for nothing_to_say in ({"": "asked"}, KNOWN_EXCLUSIONS):
        assert not find_nsclc_radiomics_cases(found, choice=MaskChoice(), excluded=nothing_to_say).remarks


def test_patients_whose_names_become_one_are_both_rejected(make_patient: MakePatient, tmp_path: Path) -> None:
    for name in ("A 1", "A+1"):
        write(make_patient(name))
    result = cases_in(tmp_path / "dicom")
    assert not result.cases and [o.case_id for o in result.rejected] == ["A_1", "A_1"]


def test_unreadable_file_is_reported(make_patient: MakePatient, tmp_path: Path) -> None:
    write(make_patient())
    (tmp_path / "dicom" / "broken.dcm").write_bytes(b"nonsense")
    assert "cannot be read" in reasons(cases_in(tmp_path / "dicom"))["broken.dcm"]


def test_missing_slice_is_interpolated_by_default(make_patient: MakePatient, tmp_path: Path) -> None:
    patient = make_patient(heights_mm=[0.0, 3, 6, 12, 15])
    write(patient, slices=[2, 3])
    loaded = cases_in(tmp_path / "dicom").cases[0].load()
    hu, mask = sitk.GetArrayFromImage(loaded.image), sitk.GetArrayFromImage(loaded.label)
    stored = patient.stored.astype(int) - 1024
    assert np.array_equal(hu[[0, 1, 2, 4, 5]], stored)
    assert np.array_equal(hu[3], np.rint((stored[2] + stored[3]) / 2))
    assert np.flatnonzero(mask.any(axis=(1, 2))).tolist() == [2, 3, 4]
    assert np.array_equal(mask[3], mask[2])
    assert loaded.image.GetSpacing()[2] == 3.0 and loaded.label.GetSpacing()[2] == 3.0
    assert "resampled to 3.000 mm: slices are 3.000 mm apart but 6.000 mm" in loaded.details["checks"][0]


def test_contour_of_a_missing_slice_is_bridged_and_noted(make_patient: MakePatient, tmp_path: Path) -> None:
    patient = make_patient(heights_mm=[3.0 * i for i in range(12)])
    patient.write_ct(skip=[3])
    patient.write_rtstruct({"GTV-1": patient.box(range(1, 11), rows=(3, 5), columns=(4, 9))})
    loaded = cases_in(tmp_path / "dicom").cases[0].load()
    assert sitk.GetArrayFromImage(loaded.label).sum() == 10 * 18
    assert any("contour 3: no slice within half" in note for note in loaded.details["checks"])


def test_mask_that_is_more_bridged_than_drawn_fails(make_patient: MakePatient, tmp_path: Path) -> None:
    """One contour of three is too much; `keep` converts it all the same."""
    patient = make_patient()
    patient.write_ct(skip=[3])
    patient.write_rtstruct({"GTV-1": patient.box([2, 3, 4], rows=(3, 5), columns=(4, 9))})
    with pytest.raises(UserError, match="lack 1 of 3 contours: GTV-1, contour 2: no slice within half"):
        cases_in(tmp_path / "dicom").cases[0].load()
    loaded = cases_in(tmp_path / "dicom", incomplete=Incomplete.KEEP).cases[0].load()
    assert sitk.GetArrayFromImage(loaded.label).sum() == 3 * 18


@pytest.mark.parametrize("end", [0, 7], ids=["first", "last"])
def test_tumour_that_reaches_beyond_the_ct_fails(make_patient: MakePatient, tmp_path: Path, end: int) -> None:
    """The file lists no images, so that only the contours tell that a slice is gone."""
    patient = make_patient()
    patient.write_ct(skip=[end])
    slices = sorted({end, 1, 2, 3, 4, 5, 6})
    patient.write_rtstruct({"GTV-1": patient.box(slices, rows=(3, 5), columns=(4, 9))}, listed=())
    with pytest.raises(UserError, match=r"lack 1 of 7 contours: .*beyond the first or last"):
        cases_in(tmp_path / "dicom").cases[0].load()
    loaded = cases_in(tmp_path / "dicom", incomplete=Incomplete.KEEP).cases[0].load()
    assert sitk.GetArrayFromImage(loaded.label).sum() == 6 * 18
    assert any("beyond the first or last" in note for note in loaded.details["checks"])


@pytest.mark.parametrize("gone", [0, 7], ids=["first", "last"])
def test_series_cut_off_at_an_end_fails_even_far_from_the_tumour(
    make_patient: MakePatient, tmp_path: Path, gone: int
) -> None:
    """Nothing in the CT tells; the structure set lists eight images and seven are there."""
    patient = make_patient()
    patient.write_ct(skip=[gone])
    patient.write_rtstruct({"GTV-1": patient.box([3], rows=(3, 5), columns=(4, 9))})
    with pytest.raises(UserError, match=r"1 of 8 CT images that rt\.dcm lists are absent, .*cut off"):
        cases_in(tmp_path / "dicom").cases[0].load()
    loaded = cases_in(tmp_path / "dicom", incomplete=Incomplete.KEEP).cases[0].load()
    assert loaded.image.GetSize()[2] == 7
    assert loaded.details["checks"] == ["1 of 8 CT images that rt.dcm lists are absent"]


def test_listed_image_that_a_gap_accounts_for_is_noted(make_patient: MakePatient, tmp_path: Path) -> None:
    patient = make_patient()
    patient.write_ct(skip=[5])
    patient.write_rtstruct({"GTV-1": patient.box([1, 2, 3], rows=(3, 5), columns=(4, 9))})
    loaded = cases_in(tmp_path / "dicom").cases[0].load()
    assert loaded.details["checks"][0] == "1 of 8 CT images that rt.dcm lists are absent"
    assert "resampled to 3.000 mm" in loaded.details["checks"][1]


@pytest.mark.parametrize("slice_", [0, 4, 7], ids=["first", "in the middle", "last"])
@pytest.mark.parametrize("keep", [0, 140, 600, -100])
@pytest.mark.parametrize("listed", [True, False])
def test_unreadable_slice_fails_the_case(
    make_patient: MakePatient, tmp_path: Path, slice_: int, keep: int, listed: bool
) -> None:
    """Cut off in header or in voxels: never a shorter volume, never an interpolated slice."""
    write(make_patient("fine"))
    patient = make_patient()
    file = patient.write_ct()[slice_]
    rois = {"GTV-1": patient.box([2], rows=(3, 5), columns=(4, 9))}
    patient.write_rtstruct(rois) if listed else patient.write_rtstruct(rois, listed=())
    file.write_bytes(file.read_bytes()[:keep])
    result = cases_in(tmp_path / "dicom")
    for case in result.cases:
        if case.case_id == "fine":
            case.load()
        else:
            with pytest.raises(UserError, match=file.name):
                case.load()
    if keep >= 0:
        assert [case.case_id for case in result.cases] == ["fine"]
        assert file.name in reasons(result)["LUNG1-900"]


def test_unreadable_file_among_images_of_several_series_fails_the_one_that_lacks_it(
    make_patient: MakePatient, tmp_path: Path
) -> None:
    """All files in one folder, as some downloads have it; the file is cut off before its UID."""
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in ("A", "B"):
        patient = make_patient(name)
        write(patient)
        for number, file in enumerate(sorted(patient.folder.rglob("*.dcm"))):
            file.rename(flat / f"{name}{number}.dcm")
    (flat / "A3.dcm").write_bytes((flat / "A3.dcm").read_bytes()[:140])
    result = cases_in(flat)
    assert [case.case_id for case in result.cases] == ["B"]
    assert set(reasons(result)) == {"A"}  # the file is not reported a second time by itself
    assert f"images of its CT series cannot be read: {flat / 'A3.dcm'}: not a DICOM" in reasons(result)["A"]


def test_missing_slice_can_be_skipped_or_failed(make_patient: MakePatient, tmp_path: Path) -> None:
    write(make_patient(heights_mm=[0.0, 3, 6, 12, 15]))
    with pytest.raises(CaseExcludedError, match=r"6\.000 mm after slice 3"):
        cases_in(tmp_path / "dicom", irregular=Irregular.SKIP).cases[0].load()
    with pytest.raises(UserError, match=r"6\.000 mm after slice 3"):
        cases_in(tmp_path / "dicom", irregular=Irregular.FAIL).cases[0].load()


def test_empty_mask_fails_with_the_reason(make_patient: MakePatient, tmp_path: Path) -> None:
    patient = make_patient()
    patient.write_ct()
    far = [("CLOSED_PLANAR", patient.to_world([(1, 1), (1, 5), (5, 5)], 500.0))]
    patient.write_rtstruct({"GTV-1": far})
    with pytest.raises(UserError, match="mask is empty: GTV-1, contour 1: no slice"):
        cases_in(tmp_path / "dicom").cases[0].load()


def test_roi_without_contours_fails_with_the_reason(make_patient: MakePatient, tmp_path: Path) -> None:
    patient = make_patient()
    patient.write_ct()
    patient.write_rtstruct({"GTV-1": []})
    with pytest.raises(UserError, match="mask is empty: it has no contours"):
        cases_in(tmp_path / "dicom").cases[0].load()


def test_folder_without_dicom_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no CT images"):
        cases_in(tmp_path)


def test_fingerprint_follows_files_and_choice(make_patient: MakePatient, tmp_path: Path) -> None:
    write(make_patient())
    before = cases_in(tmp_path / "dicom").cases[0].fingerprint()
    assert cases_in(tmp_path / "dicom").cases[0].fingerprint() == before
    assert cases_in(tmp_path / "dicom", irregular=Irregular.SKIP).cases[0].fingerprint() != before


def test_lung1_002_has_the_published_number_of_voxels(real_data: Path) -> None:
    """125,531 voxels of GTV-1 by an independent radiomics table."""
    (case,) = cases_in(real_data / "nsclc-radiomics").cases
    loaded = case.load()
    mask = sitk.GetArrayFromImage(loaded.label)
    assert case.case_id == "LUNG1-002" and mask.sum() == 125_531
    assert loaded.image.GetSize() == (512, 512, 111) and loaded.image.GetSpacing() == (0.977, 0.977, 3.0)
    assert loaded.details["checks"] == []
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(contoured(case).ct.images[0].path.parent)))
    reference = reader.Execute()
    assert np.array_equal(sitk.GetArrayFromImage(loaded.image), sitk.GetArrayFromImage(reference))
    assert np.allclose(loaded.image.GetOrigin(), reference.GetOrigin())
    assert np.allclose(loaded.image.GetDirection(), reference.GetDirection())


def test_lung1_002_with_a_copied_slice_and_without_its_last(real_data: Path, tmp_path: Path) -> None:
    """One copied file made a reader report 0.94 mm instead of 3.0 mm; a lost one must not go unnoticed."""
    for file in (real_data / "nsclc-radiomics").rglob("*.dcm"):
        (tmp_path / f"{file.parent.name}-{file.name}").symlink_to(file)
    last = max(
        (f for f in tmp_path.iterdir() if _height_mm(f) is not None), key=lambda f: _height_mm(f) or 0.0
    )
    (tmp_path / "copy.dcm").symlink_to(last.resolve())
    loaded = cases_in(tmp_path).cases[0].load()
    assert loaded.image.GetSpacing() == (0.977, 0.977, 3.0) and loaded.image.GetSize()[2] == 111
    assert loaded.details["checks"] == ["1 duplicated image dropped"]
    assert sitk.GetArrayViewFromImage(loaded.label).sum() == 125_531
    for file in (last, tmp_path / "copy.dcm"):
        file.unlink()
    with pytest.raises(UserError, match=r"1 of 111 CT images that .*1-1\.dcm lists are absent"):
        cases_in(tmp_path).cases[0].load()


def _height_mm(file: Path) -> float | None:
    position = pydicom.dcmread(file, specific_tags=["ImagePositionPatient"]).get("ImagePositionPatient")
    return float(position[2]) if position else None


def test_ibsi_phantom_end_to_end(real_data: Path) -> None:
    folder = real_data / "ibsi" / "ibsi_1_ct_radiomics_phantom"
    (case,) = cases_in(folder / "dicom").cases
    loaded = case.load()
    for made, name in ((loaded.label, "mask/mask.nii.gz"), (loaded.image, "image/phantom.nii.gz")):
        published = sitk.ReadImage(str(folder / "nifti" / name))
        assert np.array_equal(sitk.GetArrayFromImage(made), sitk.GetArrayFromImage(published))
        assert np.allclose(made.GetSpacing(), published.GetSpacing(), atol=1e-4)
        assert np.allclose(made.GetOrigin(), published.GetOrigin(), atol=1e-3)


@pytest.mark.parametrize(
    ("name", "reason", "voxels", "note"),
    [
        ("mock_data/rt", "", [1443, 0], "another frame of reference"),
        (
            "mock_data/invalid_reference_rt",
            "3 of 5 CT images .* are absent",
            [3010, 1966],
            "3 of 5 CT images",
        ),
        ("mock_data/non_existent_reference_rt", "lack 1 of 3 contours", [3010, 1966], "taken by frame"),
        ("empty/dummy_rt", "3 of 5 CT images .* are absent", [3010, 1966], "3 of 5 CT images"),
    ],
)
def test_malformed_structure_sets_of_rt_utils(
    real_data: Path, tmp_path: Path, name: str, reason: str, voxels: list[int], note: str
) -> None:
    """Drawn on five images, of which two are there; wrong, absent or foreign references.

    What fails by default is what reaches beyond the images; `keep` converts the rest of it. Voxels are those
    of matplotlib's point-in-polygon test.
    """
    folder = real_data / "dicom-odd" / "rt-utils"
    for file in ("mock_data/ct_1", "mock_data/ct_2", name):
        (tmp_path / Path(file).name).write_bytes((folder / f"{file}.dcm").read_bytes())
    (case,) = cases_in(tmp_path, roi="ROI-1").cases
    if reason:
        with pytest.raises(UserError, match=reason):
            case.load()
    (case,) = cases_in(tmp_path, roi="ROI-1", incomplete=Incomplete.KEEP).cases
    loaded = case.load()
    assert sitk.GetArrayFromImage(loaded.label).sum(axis=(1, 2)).tolist() == voxels
    assert note in loaded.details["checks"][0]


def test_rt_utils_one_slice_series_is_refused(real_data: Path) -> None:
    index = index_folder(real_data / "dicom-odd" / "rt-utils" / "one_slice_data")
    with pytest.raises(UserError, match="only one slice"):
        order_series(next(iter(index.ct.values())))


@pytest.mark.parametrize("left", ["all other links", "contours' images only", "frame of reference only"])
def test_structure_set_without_referenced_frame_of_reference(
    make_patient: MakePatient, tmp_path: Path, left: str
) -> None:
    patient = make_patient()
    write(patient)
    file = patient.folder / "rt.dcm"
    dataset = pydicom.dcmread(file)
    del dataset.ReferencedFrameOfReferenceSequence
    if left != "contours' images only":
        dataset.FrameOfReferenceUID = patient.uids["frame"]
        for roi in dataset.StructureSetROISequence:
            roi.ReferencedFrameOfReferenceUID = patient.uids["frame"]
    if left == "frame of reference only":
        for roi in dataset.ROIContourSequence:
            for contour in roi.ContourSequence:
                del contour.ContourImageSequence
    save(dataset, file)
    (case,) = cases_in(tmp_path / "dicom").cases
    loaded = case.load()
    assert sitk.GetArrayFromImage(loaded.label).sum() == 36
    assert any("the file references none" in note for note in loaded.details["checks"])


@pytest.mark.parametrize("names", [("GTV-1", "GTV-1"), ("gtv1", "GTV-1")])
def test_of_two_rois_called_so_the_one_that_is_drawn_counts(
    make_patient: MakePatient, tmp_path: Path, names: tuple[str, str]
) -> None:
    patient = make_patient()
    patient.write_ct()
    drawn = patient.box([2, 3], rows=(3, 5), columns=(4, 9))
    file = patient.write_rtstruct({"first": [], "second": drawn})
    dataset = pydicom.dcmread(file)
    for roi, name in zip(dataset.StructureSetROISequence, names, strict=True):
        roi.ROIName = name
    save(dataset, file)
    (case,) = cases_in(tmp_path / "dicom").cases
    loaded = case.load()
    assert sitk.GetArrayFromImage(loaded.label).sum() == 36
    assert any("holds no contour" in note for note in loaded.details["checks"])
    contours = dataset.ROIContourSequence
    contours[1].ContourSequence = contours[0].ContourSequence  # now both are drawn
    save(dataset, file)
    assert "2 ROIs match" in reasons(cases_in(tmp_path / "dicom"))["LUNG1-900"]


def test_pipe_among_the_files_is_named_and_not_opened(make_patient: MakePatient, tmp_path: Path) -> None:
    write(make_patient())
    os.mkfifo(tmp_path / "dicom" / "pipe.dcm")
    result = cases_in(tmp_path / "dicom")
    assert len(result.cases) == 1 and "named pipe" in reasons(result)["pipe.dcm"]


def test_contours_sparser_than_slices_fail_or_are_bridged(make_patient: MakePatient, tmp_path: Path) -> None:
    patient = make_patient(heights_mm=[1.0 * i for i in range(20)])
    write(patient, slices=[4, 9, 14])
    (case,) = cases_in(tmp_path / "dicom").cases
    with pytest.raises(UserError, match=r"drawn 5 mm apart, slices are 1 mm apart.*--sparse-contours"):
        case.load()
    (case,) = cases_in(tmp_path / "dicom", sparse_contours=SparseContours.INTERPOLATE).cases
    loaded = case.load()
    label = sitk.GetArrayFromImage(loaded.label)
    assert (label[4:15, 3:6, 4:10] == 1).all() and label[4:15].sum() == 11 * 18
    assert any("slices between are interpolated" in note for note in loaded.details["checks"])


PUBLIC_MASKS = ["no-referenced-frame-of-reference"]


@pytest.mark.parametrize("name", PUBLIC_MASKS)
def test_public_cases_with_their_masks(real_data: Path, name: str) -> None:
    folder = real_data / "public-cases" / name / "input"
    (case,) = cases_in(folder).cases
    truth = np.load(folder / "truth.npy")
    assert np.array_equal(sitk.GetArrayFromImage(case.load().label) > 0, truth > 0)
