"""`raemd predict` on scans as users have them, and the DICOM objects that it writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_patient import DicomPatient, save
from nnunet_models import PREDICT
from nnunet_workspace import Workspace, noisy_spheres, write_volume

from nnunetv2_raemd.dicom.ct_series import order_series
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.dicom.dicom_seg import CtSlices, draw_segments
from nnunetv2_raemd.dicom.mask_source import MaskSource
from nnunetv2_raemd.dicom.rtstruct import draw_rois

MODEL = ("-d", 501, *PREDICT, "-npp", 0, "-nps", 0, "--disable_tta")


def write_patient(folder: Path, name: str = "P1", *, skip: int = -1) -> DicomPatient:
    """A series of slices of the kind that the model was trained on; `skip` is missing."""
    heights = [2.5 * i for i in range(10) if i != skip]
    patient = DicomPatient(folder, name, heights_mm=heights)
    image, _ = noisy_spheres(100, (len(heights), 40, 40))
    patient.stored = (np.clip(image, -1000, 2000) + 1024).astype(np.uint16)
    patient.write_ct()
    return patient


def labels(file: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(file)))


def test_a_folder_of_dicom_to_objects(workspace: Workspace, raemd_model: Path, tmp_path: Path) -> None:
    """Two good studies, one of them with a slice missing, and one that cannot be predicted."""
    source, output = tmp_path / "in", tmp_path / "out"
    whole = write_patient(source / "some where" / "deep")
    gap = write_patient(source / "gap", "P2", skip=4)
    scout = DicomPatient(source / "scout", "P3", heights_mm=(0.0, 3.0))
    save(scout.ct_slice(0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), source / "scout" / "1")
    arguments = ["-i", source, "-o", output, *MODEL, "--dicom", "rtstruct", "sr", "probability"]
    finished = workspace.raemd("predict", *arguments)
    assert finished.returncode == 1
    assert f"series {scout.uids['ct']}: the CT series holds nothing but localizers" in finished.stdout
    assert "Traceback" not in finished.stdout
    report = json.loads((output / "scans.json").read_text(encoding="utf-8"))
    assert {scan["case_id"] for scan in report["scans"]} == {whole.uids["ct"], gap.uids["ct"]}
    assert len(report["problems"]) == 1
    remarks = {scan["case_id"]: " ".join(scan["remarks"]) for scan in report["scans"]}
    assert "resampled" in remarks[gap.uids["ct"]] and "resampled" not in remarks[whole.uids["ct"]]
    for patient in (whole, gap):
        _assert_objects_hold_the_segmentation(patient, output)
    again = workspace.raemd("predict", *arguments, "--continue_prediction")
    assert "Done already: 2" in again.stdout and "Predicting" not in again.stdout


def _assert_objects_hold_the_segmentation(patient: DicomPatient, output: Path) -> None:
    case = patient.uids["ct"]
    kinds = ("seg", "rtstruct", "sr", "probability")
    assert all((output / f"{case}.{kind}.dcm").is_file() for kind in kinds)
    series = order_series(index_folder(patient.folder).ct[case])
    predicted = labels(output / f"{case}.nii.gz") > 0
    assert predicted.any()
    # of the series with a gap, the image has a slice more: the objects have the slices that there are
    heights = np.rint((series.stack.heights_mm - series.stack.heights_mm[0]) / 2.5).astype(int)
    slices = CtSlices(series.stack, tuple(image.uid for image in series.slices))
    found = {d.path.name: d for d in index_folder(output).delineations}
    seg, structure_set = found[f"{case}.seg.dcm"], found[f"{case}.rtstruct.dcm"]
    assert structure_set.source is MaskSource.RTSTRUCT
    for drawn in (
        draw_segments(seg.path, seg.rois, slices),
        draw_rois(structure_set.path, structure_set.rois, series.stack),
    ):
        assert np.array_equal(drawn.mask, predicted[heights])


def test_a_zip_file_and_a_single_image(workspace: Workspace, raemd_model: Path, tmp_path: Path) -> None:
    """The same voxels, whatever they come in."""
    patient = write_patient(tmp_path / "in")
    archive = shutil.make_archive(str(tmp_path / "study"), "zip", tmp_path / "in")
    assert workspace.raemd("predict", "-i", archive, "-o", tmp_path / "zip", *MODEL).returncode == 0
    series = order_series(index_folder(patient.folder).ct[patient.uids["ct"]])
    image = sitk.ReadImage([str(image.path) for image in series.slices])
    sitk.WriteImage(sitk.Cast(image, sitk.sitkInt16), str(tmp_path / "any name.mha"))
    single = ("-i", tmp_path / "any name.mha", "-o", tmp_path / "single")
    assert workspace.raemd("predict", *single, *MODEL).returncode == 0
    from_zip = labels(tmp_path / "zip" / f"{patient.uids['ct']}.nii.gz")
    assert from_zip.any()
    assert np.array_equal(from_zip, labels(tmp_path / "single" / "any name.nii.gz"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-i", "other"], "holds no CT image among 1 file: 1 not DICOM"),
        (["-i", "images", "--dicom", "seg"], "--dicom and --series are for DICOM"),
        (["-i", "images/a_0000.nii.gz", "--dicom", "sr"], "a_0000.nii.gz is not DICOM"),
        (["-i", "other", "--dicom", "sr", "--store", "https://me:secret@h/x"], "RAEMD_DICOMWEB_USER"),
    ],
)
def test_what_cannot_be_is_told_before_anything_heavy(
    workspace: Workspace, raemd_model: Path, tmp_path: Path, arguments: list[str], told: str
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("no scan")
    write_volume(noisy_spheres(1, (4, 40, 40))[0], tmp_path / "images" / "a_0000.nii.gz")
    option, source, *rest = arguments
    given = [option, tmp_path / source, *rest, "-o", tmp_path / "out"]
    finished = workspace.raemd("predict", *given, *MODEL)
    assert finished.returncode == 1
    assert told in finished.stdout
    assert "Traceback" not in finished.stdout and "secret" not in finished.stdout
    assert not (tmp_path / "out").exists()
