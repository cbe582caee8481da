"""NSCLC-Radiomics to nnU-Net: matching of files, uneven series, and a real patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import FileMetaDataset

from nnunetv2_raemd.dataset_conversion.case import CaseExcludedError, ConversionPlan, Status
from nnunetv2_raemd.dataset_conversion.choices import DEFAULT_ROI, Irregular
from nnunetv2_raemd.dataset_conversion.dicom_index import index_folder
from nnunetv2_raemd.dataset_conversion.nsclc_radiomics import MaskChoice, plan_nsclc_radiomics
from nnunetv2_raemd.dataset_conversion.rtstruct import RoiChoice
from nnunetv2_raemd.errors import UserError

OBLIQUE = (0.36, 0.48, -0.8, -0.8, 0.6, 0.0)


def plan(
    folder: Path, *, irregular: Irregular = Irregular.RESAMPLE, roi: str = DEFAULT_ROI
) -> ConversionPlan:
    return plan_nsclc_radiomics(index_folder(folder), choice=MaskChoice(RoiChoice(roi), irregular))


def write(patient, slices=(2, 3)) -> None:
    patient.write_ct()
    patient.write_rtstruct({"GTV-1": patient.box(slices, rows=(3, 5), columns=(4, 9)), "Heart": []})


def reasons(result: ConversionPlan) -> dict[str, str]:
    return {o.case_id: o.reason for o in result.rejected}


@pytest.mark.parametrize(
    "orientation", [(1, 0, 0, 0, 1, 0), (-1, 0, 0, 0, -1, 0), (0, 1, 0, 0, 0, -1), OBLIQUE]
)
def test_image_and_mask_are_exact(make_patient, tmp_path: Path, orientation: tuple[float, ...]) -> None:
    patient = make_patient(orientation=orientation)
    write(patient)
    (case,) = plan(tmp_path / "dicom").cases
    loaded = case.load()
    assert case.case_id == case.patient_id == "LUNG1-900"
    assert np.array_equal(sitk.GetArrayFromImage(loaded.image), patient.stored.astype(int) - 1024)
    expected = np.zeros((8, 12, 16))
    expected[2:4, 3:6, 4:10] = 1
    assert np.array_equal(sitk.GetArrayFromImage(loaded.label), expected)
    assert loaded.image.GetDirection() == loaded.label.GetDirection()
    assert loaded.details["rois_found"] == ["GTV-1", "Heart"] and loaded.details["checks"] == []


@pytest.mark.parametrize("implicit", [True, False])
def test_files_of_old_writers_without_preamble(make_patient, tmp_path: Path, implicit: bool) -> None:
    patient = make_patient()
    write(patient)
    for file in (tmp_path / "dicom").rglob("*.dcm"):
        dataset = pydicom.dcmread(file)
        dataset.file_meta, dataset.preamble = FileMetaDataset(), None
        dataset.save_as(file, implicit_vr=implicit, little_endian=True)
        assert file.read_bytes()[128:132] != b"DICM"
    loaded = plan(tmp_path / "dicom").cases[0].load()
    assert np.array_equal(sitk.GetArrayFromImage(loaded.image), patient.stored.astype(int) - 1024)
    assert sitk.GetArrayFromImage(loaded.label).sum() == 36


def test_series_is_the_one_the_contours_reference(make_patient, tmp_path: Path) -> None:
    patient = make_patient()
    write(patient)
    other = make_patient()
    other.uids = {**patient.uids, "ct": "1.2.3", "frame": "1.2.4"}
    other.folder = tmp_path / "dicom" / "another series"
    other.write_ct()
    (case,) = plan(tmp_path / "dicom").cases
    assert {image.series_uid for image in case.images} == {patient.uids["ct"]}


def test_absent_reference_falls_back_to_the_frame_of_reference(make_patient, tmp_path: Path) -> None:
    patient = make_patient()
    patient.write_ct()
    patient.write_rtstruct({"GTV-1": patient.box([2], rows=(3, 5), columns=(4, 9))}, series="1.9.9")
    (case,) = plan(tmp_path / "dicom").cases
    assert "frame of reference" in case.load().details["checks"][0]


def test_what_cannot_be_matched_is_rejected_with_the_reason(make_patient, tmp_path: Path) -> None:
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
    result = plan(tmp_path / "dicom")
    assert [case.case_id for case in result.cases] == ["fine"]
    found = reasons(result)
    assert found["no_contours"] == "there is a CT but no RTSTRUCT"
    assert "not among the input" in found["no_scan"]
    assert "there are: Heart" in found["no_tumour"]
    assert "2 structure sets have the ROI" in found["two_opinions"]
    assert all(o.status is Status.FAILED for o in result.rejected)


def test_copy_of_a_structure_set_is_no_second_opinion(make_patient, tmp_path: Path) -> None:
    patient = make_patient()
    write(patient)
    (patient.folder / "copy.dcm").write_bytes((patient.folder / "rt.dcm").read_bytes())
    assert len(plan(tmp_path / "dicom").cases) == 1


def test_known_exclusion_is_no_failure(make_patient, tmp_path: Path) -> None:
    write(make_patient("LUNG1-128"))
    result = plan(tmp_path / "dicom")
    assert not result.cases and result.rejected[0].status is Status.EXCLUDED
    choice = MaskChoice()
    assert plan_nsclc_radiomics(index_folder(tmp_path / "dicom"), choice=choice, excluded={}).cases


def test_patients_whose_names_become_one_are_both_rejected(make_patient, tmp_path: Path) -> None:
    for name in ("A 1", "A+1"):
        write(make_patient(name))
    result = plan(tmp_path / "dicom")
    assert not result.cases and [o.case_id for o in result.rejected] == ["A_1", "A_1"]


def test_unreadable_file_is_reported(make_patient, tmp_path: Path) -> None:
    write(make_patient())
    (tmp_path / "dicom" / "broken.dcm").write_bytes(b"nonsense")
    assert "cannot be read" in reasons(plan(tmp_path / "dicom"))["broken.dcm"]


def test_missing_slice_is_interpolated_by_default(make_patient, tmp_path: Path) -> None:
    patient = make_patient(heights_mm=[0.0, 3, 6, 12, 15])
    write(patient, slices=[2, 3])
    loaded = plan(tmp_path / "dicom").cases[0].load()
    hu, mask = sitk.GetArrayFromImage(loaded.image), sitk.GetArrayFromImage(loaded.label)
    stored = patient.stored.astype(int) - 1024
    assert np.array_equal(hu[[0, 1, 2, 4, 5]], stored)
    assert np.array_equal(hu[3], np.rint((stored[2] + stored[3]) / 2))
    assert np.flatnonzero(mask.any(axis=(1, 2))).tolist() == [2, 3, 4]
    assert np.array_equal(mask[3], mask[2])
    assert loaded.image.GetSpacing()[2] == 3.0 and loaded.label.GetSpacing()[2] == 3.0
    assert "resampled to 3.000 mm: slices are 3.000 mm apart but 6.000 mm" in loaded.details["checks"][0]


def test_contour_of_a_missing_slice_is_noted(make_patient, tmp_path: Path) -> None:
    patient = make_patient()
    patient.write_ct(skip=[3])
    patient.write_rtstruct({"GTV-1": patient.box([2, 3, 4], rows=(3, 5), columns=(4, 9))})
    loaded = plan(tmp_path / "dicom").cases[0].load()
    assert sitk.GetArrayFromImage(loaded.label).sum() == 3 * 18
    assert any("contour 2: no slice within half" in note for note in loaded.details["checks"])


def test_missing_slice_can_be_skipped_or_failed(make_patient, tmp_path: Path) -> None:
    write(make_patient(heights_mm=[0.0, 3, 6, 12, 15]))
    with pytest.raises(CaseExcludedError, match=r"6\.000 mm after slice 3"):
        plan(tmp_path / "dicom", irregular=Irregular.SKIP).cases[0].load()
    with pytest.raises(UserError, match=r"6\.000 mm after slice 3"):
        plan(tmp_path / "dicom", irregular=Irregular.FAIL).cases[0].load()


def test_empty_mask_fails_with_the_reason(make_patient, tmp_path: Path) -> None:
    patient = make_patient()
    patient.write_ct()
    far = [("CLOSED_PLANAR", patient.to_world([(1, 1), (1, 5), (5, 5)], 500.0))]
    patient.write_rtstruct({"GTV-1": far})
    with pytest.raises(UserError, match="mask is empty: GTV-1, contour 1: no slice"):
        plan(tmp_path / "dicom").cases[0].load()


def test_folder_without_dicom_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no CT images"):
        plan(tmp_path)


def test_fingerprint_follows_files_and_choice(make_patient, tmp_path: Path) -> None:
    write(make_patient())
    before = plan(tmp_path / "dicom").cases[0].fingerprint()
    assert plan(tmp_path / "dicom").cases[0].fingerprint() == before
    assert plan(tmp_path / "dicom", irregular=Irregular.SKIP).cases[0].fingerprint() != before


def test_lung1_002_has_the_published_number_of_voxels(real_data: Path) -> None:
    """125,531 voxels of GTV-1 by an independent radiomics table."""
    (case,) = plan(real_data / "nsclc-radiomics").cases
    loaded = case.load()
    mask = sitk.GetArrayFromImage(loaded.label)
    assert case.case_id == "LUNG1-002" and mask.sum() == 125_531
    assert loaded.image.GetSize() == (512, 512, 111) and loaded.image.GetSpacing() == (0.977, 0.977, 3.0)
    assert loaded.details["checks"] == []
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(case.images[0].path.parent)))
    reference = reader.Execute()
    assert np.array_equal(sitk.GetArrayFromImage(loaded.image), sitk.GetArrayFromImage(reference))
    assert np.allclose(loaded.image.GetOrigin(), reference.GetOrigin())
    assert np.allclose(loaded.image.GetDirection(), reference.GetDirection())


def test_ibsi_phantom_end_to_end(real_data: Path) -> None:
    folder = real_data / "ibsi" / "ibsi_1_ct_radiomics_phantom"
    (case,) = plan(folder / "dicom").cases
    loaded = case.load()
    for made, name in ((loaded.label, "mask/mask.nii.gz"), (loaded.image, "image/phantom.nii.gz")):
        published = sitk.ReadImage(str(folder / "nifti" / name))
        assert np.array_equal(sitk.GetArrayFromImage(made), sitk.GetArrayFromImage(published))
        assert np.allclose(made.GetSpacing(), published.GetSpacing(), atol=1e-4)
        assert np.allclose(made.GetOrigin(), published.GetOrigin(), atol=1e-3)
