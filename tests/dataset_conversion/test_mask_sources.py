"""Masks from RTSTRUCT or from SEG: which is taken, and that both give the same."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_patient import MakePatient, save
from pydicom.dataset import Dataset

from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.nsclc_radiomics_choices import (
    DEFAULT_ROI,
    Incomplete,
)
from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.patient_case import ContouredCt, MaskChoice
from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.patient_matching import (
    find_nsclc_radiomics_cases,
)
from nnunetv2_raemd.dataset_conversion.case import FoundCases
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.dicom.mask_source import MaskSource
from nnunetv2_raemd.dicom.roi_choice import RoiChoice
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.phantom.configuration import NSCLC_RADIOMICS
from nnunetv2_raemd.phantom.nsclc_writer import NsclcRadiomicsLayout
from nnunetv2_raemd.phantom.phantom_archive import write_archive

hd = pytest.importorskip("highdicom")
from seg_files import make_seg  # noqa: E402 - needs highdicom


def cases_in(folder: Path, source: MaskSource, roi: str = DEFAULT_ROI) -> FoundCases:
    return find_nsclc_radiomics_cases(index_folder(folder), choice=MaskChoice(RoiChoice(roi), source=source))


def write_seg(images: Sequence[Dataset], mask: np.ndarray, file: Path, *, label: str = "Segment 1") -> None:
    """A SEG of `mask` (S, rows, columns) as the archive has it: the tumour named by its coded type only."""
    for image in images:
        for keyword in ("AccessionNumber", "PatientSex", "StudyDate", "StudyTime", "StudyID"):
            setattr(image, keyword, image.get(keyword) or "")
        image.ReferringPhysicianName = ""
        image.SliceThickness = 3.0
    described = hd.seg.SegmentDescription(
        1,
        label,
        hd.sr.CodedConcept("49755003", "SCT", "Morphologically abnormal structure"),
        hd.sr.CodedConcept("86049000", "SCT", "Neoplasm, Primary"),
        "MANUAL",
    )
    seg = hd.seg.Segmentation(
        images,
        mask.astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[described],
        series_instance_uid=pydicom.uid.generate_uid(entropy_srcs=[str(file), "series"]),
        series_number=3,
        sop_instance_uid=pydicom.uid.generate_uid(entropy_srcs=[str(file)]),
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
    )
    save(seg, file)


def add_seg(patient: Any, mask: np.ndarray, name: str = "seg.dcm") -> None:
    write_seg([patient.ct_slice(i) for i in range(len(patient.heights_mm))], mask, patient.folder / name)


@pytest.fixture
def mask() -> np.ndarray:
    return np.random.default_rng(3).random((8, 12, 16)) > 0.7


def test_auto_takes_rtstruct_where_there_is_one_and_else_seg(
    make_patient: Callable[..., Any], tmp_path: Path, mask: np.ndarray
) -> None:
    both, only = make_patient("both"), make_patient("only SEG")
    for patient in (both, only):
        patient.write_ct()
        add_seg(patient, mask)
    both.write_rtstruct({"GTV-1": both.box([2, 3], rows=(3, 5), columns=(4, 9))})
    loaded = {case.case_id: case.load() for case in cases_in(tmp_path / "dicom", MaskSource.AUTO).cases}
    assert loaded["both"].details["mask_source"] == "rtstruct"
    assert sitk.GetArrayFromImage(loaded["both"].label).sum() == 36
    assert loaded["only_SEG"].details["mask_source"] == "seg"
    assert loaded["only_SEG"].details["rois_used"] == ["Segment 1 / Neoplasm, Primary"]
    assert np.array_equal(sitk.GetArrayFromImage(loaded["only_SEG"].label), mask)


def test_source_asked_for_is_the_only_one_looked_at(
    make_patient: Callable[..., Any], tmp_path: Path, mask: np.ndarray
) -> None:
    patient = make_patient()
    patient.write_ct()
    add_seg(patient, mask)
    (failed,) = cases_in(tmp_path / "dicom", MaskSource.RTSTRUCT).rejected
    assert failed.reason == "there is a CT but no RTSTRUCT (--source seg would use what there is)"
    (case,) = cases_in(tmp_path / "dicom", MaskSource.SEG).cases
    assert np.array_equal(sitk.GetArrayFromImage(case.load().label), mask)
    assert case.fingerprint() != cases_in(tmp_path / "dicom", MaskSource.AUTO).cases[0].fingerprint()


def test_auto_says_why_the_rtstruct_was_not_taken(
    make_patient: Callable[..., Any], tmp_path: Path, mask: np.ndarray
) -> None:
    patient = make_patient()
    patient.write_ct()
    add_seg(patient, mask)
    patient.write_rtstruct({"Heart": patient.box([2], rows=(3, 5), columns=(4, 9))})
    loaded = cases_in(tmp_path / "dicom", MaskSource.AUTO).cases[0].load()
    assert loaded.details["mask_source"] == "seg"
    assert loaded.details["checks"][0].startswith("rt.dcm: no ROI matches")


def test_without_highdicom_seg_is_refused_at_once_and_rtstruct_goes(
    make_patient: Callable[..., Any], tmp_path: Path, mask: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = make_patient()
    patient.write_ct()
    add_seg(patient, mask)
    patient.write_rtstruct({"GTV-1": patient.box([2], rows=(3, 5), columns=(4, 9))})
    monkeypatch.setitem(sys.modules, "highdicom.seg", None)
    with pytest.raises(UserError, match=r"pip install .*\[dicom\]"):
        cases_in(tmp_path / "dicom", MaskSource.SEG)
    assert cases_in(tmp_path / "dicom", MaskSource.AUTO).cases[0].load().details["mask_source"] == "rtstruct"


def test_two_seg_files_with_the_segment_are_refused(
    make_patient: Callable[..., Any], tmp_path: Path, mask: np.ndarray
) -> None:
    patient = make_patient()
    patient.write_ct()
    for name in ("seg.dcm", "seg2.dcm"):
        add_seg(patient, mask, name)
    (failed,) = cases_in(tmp_path / "dicom", MaskSource.SEG).rejected
    assert "2 seg files have the ROI; keep one of" in failed.reason


@pytest.mark.parametrize("drawn", [0, 1])
@pytest.mark.parametrize("omit_empty_frames", [True, False])
@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_of_two_segments_called_so_the_one_that_is_drawn_counts(
    make_patient: MakePatient,
    tmp_path: Path,
    mask: np.ndarray,
    kind: str,
    omit_empty_frames: bool,
    drawn: int,
) -> None:
    patient = make_patient()
    patient.write_ct()
    masks = np.zeros((*mask.shape, 2), np.uint8)
    masks[..., drawn] = mask
    seg = make_seg(patient, masks, segmentation_type=kind, omit_empty_frames=omit_empty_frames)
    for segment in seg.SegmentSequence[-2:]:  # a label map describes its background first
        segment.SegmentLabel = "GTV-1"
        segment.SegmentedPropertyTypeCodeSequence = seg.SegmentSequence[-2].SegmentedPropertyTypeCodeSequence
    save(seg, patient.folder / "seg.dcm")
    (case,) = cases_in(tmp_path / "dicom", MaskSource.SEG).cases
    loaded = case.load()
    assert np.array_equal(sitk.GetArrayFromImage(loaded.label), mask)
    other = [note for note in loaded.details["checks"] if "holds no pixel" in note]
    assert len(other) == 1 and other[0].startswith(f"segment number {2 - drawn} is called")


def test_two_segments_called_so_that_are_both_drawn_are_refused(
    make_patient: MakePatient, tmp_path: Path, mask: np.ndarray
) -> None:
    patient = make_patient()
    patient.write_ct()
    seg = make_seg(patient, np.stack([mask, np.roll(mask, 1, 0)], -1), segmentation_type="BINARY")
    for segment in seg.SegmentSequence:
        segment.SegmentLabel = "GTV-1"
    save(seg, patient.folder / "seg.dcm")
    found = cases_in(tmp_path / "dicom", MaskSource.SEG)
    assert not found.cases and "2 ROIs match" in found.rejected[0].reason


def test_seg_of_another_ct_is_refused(
    make_patient: Callable[..., Any], tmp_path: Path, mask: np.ndarray
) -> None:
    """It names the series, and its frames lie elsewhere."""
    patient = make_patient()
    patient.write_ct()
    add_seg(make_patient(origin_mm=(-30.0, -19.0, 100.0)), mask)
    (case,) = cases_in(tmp_path / "dicom", MaskSource.SEG).cases
    with pytest.raises(UserError, match=r"seg\.dcm: frame 1 is shifted .* by a part of a pixel"):
        case.load()


def test_segment_on_absent_slices_fails_unless_kept(
    make_patient: Callable[..., Any], tmp_path: Path, mask: np.ndarray
) -> None:
    patient = make_patient()
    patient.write_ct(skip=[7])
    add_seg(patient, mask)
    (case,) = cases_in(tmp_path / "dicom", MaskSource.SEG).cases
    with pytest.raises(UserError, match=r"1 of 8 CT images that seg\.dcm lists are absent"):
        case.load()
    assert isinstance(case, ContouredCt)
    kept = replace(case, choice=replace(case.choice, incomplete=Incomplete.KEEP)).load()
    assert np.array_equal(sitk.GetArrayFromImage(kept.label), mask[:7])
    assert any("the CT has no slice there" in note for note in kept.details["checks"])


def test_phantom_gives_the_same_mask_by_either_source(tmp_path: Path) -> None:
    """0 differing voxels to the oracle; the SEG is written here from the oracle, on the phantom's own CT."""
    small = replace(NSCLC_RADIOMICS, shape=(24, 64, 64), spacing_mm=(5.0, 3.0, 3.0))
    write_archive(tmp_path, NsclcRadiomicsLayout(), small, 1)
    (oracle_file,) = tmp_path.rglob("LUNG1-001.nii.gz")
    oracle = sitk.GetArrayFromImage(sitk.ReadImage(str(oracle_file)))
    files = (pydicom.dcmread(file) for file in tmp_path.rglob("*.dcm"))
    images = [file for file in files if file.Modality == "CT"]
    images.sort(key=lambda image: float(image.ImagePositionPatient[2]))
    write_seg(images, oracle, tmp_path / "NSCLC-Radiomics" / "LUNG1-001" / "seg" / "1-1.dcm")
    for source in (MaskSource.RTSTRUCT, MaskSource.SEG):
        (case,) = cases_in(tmp_path, source).cases
        loaded = case.load()
        assert loaded.details["mask_source"] == source.value and oracle.any()
        assert np.count_nonzero(sitk.GetArrayFromImage(loaded.label) != oracle) == 0


def test_dcmqi_liver_end_to_end(real_data: Path, tmp_path: Path) -> None:
    """A real CT with a SEG by dcmqi, and the volume that it was made from."""
    folder = real_data / "dicom-odd" / "dcmqi" / "segmentations"
    for file in [folder / "liver.dcm", *(folder / "ct-3slice").glob("*.dcm")]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (case,) = cases_in(tmp_path, MaskSource.AUTO, roi="liver").cases
    loaded = case.load()
    published = sitk.ReadImage(str(folder / "liver_seg.nrrd"))
    assert loaded.details["mask_source"] == "seg" and not loaded.details["checks"]
    assert np.array_equal(sitk.GetArrayFromImage(loaded.label), sitk.GetArrayFromImage(published) == 1)
    assert np.allclose(loaded.label.GetOrigin(), published.GetOrigin(), atol=1e-3)
    assert np.allclose(loaded.label.GetSpacing(), published.GetSpacing(), atol=1e-4)
