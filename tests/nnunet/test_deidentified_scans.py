"""Real series that others have de-identified, from `raemd predict` to objects that a validator passes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_validator import errors
from nnunet_models import PREDICT
from nnunet_workspace import Workspace
from pydicom.dataset import Dataset

from nnunetv2_raemd.dicom.ct_series import order_series
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.dicom.dicom_seg import CtSlices, draw_segments
from nnunetv2_raemd.dicom.mask_source import MaskSource
from nnunetv2_raemd.dicom.rtstruct import draw_rois

MODEL = ("-d", 501, *PREDICT, "-npp", 0, "-nps", 0, "--disable_tta")
KINDS = ("seg", "rtstruct", "sr")
# A window of the real images, that the prediction takes seconds: rows and columns.
WINDOWS = {
    "lidc/dicom/LIDC-IDRI-0001": np.s_[340:388, 290:338],
    "lung-pet-ct-dx": np.s_[230:278, 150:198],
}
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
NAMES = ("PatientName", "PatientID", "ReferringPhysicianName")
DATES = ("StudyDate", "PatientBirthDate", "SeriesDate", "AcquisitionDate", "ContentDate")


def blank(image: Dataset) -> None:
    """Names, numbers and dates emptied (action Z of PS3.15 table E.1-1)."""
    for keyword in (*NAMES, *DATES, "StudyTime", "StudyID", "AccessionNumber", "PatientSex"):
        setattr(image, keyword, "")


def removed(image: Dataset) -> None:
    """As far as files still can be read (action X), with what CT may leave open."""
    optional = ("SliceThickness", "SeriesNumber", "InstanceNumber", "SpecificCharacterSet")
    methods = ("DeidentificationMethod", "DeidentificationMethodCodeSequence")
    for keyword in (*NAMES, *DATES, *optional, *methods, "StudyTime", "StudyID", "AccessionNumber"):
        image.pop(keyword, None)
    image.PatientIdentityRemoved = "YES"


def dummies(image: Dataset) -> None:
    """Of the kinds that public tools and scripts write (action D)."""
    image.PatientName = image.PatientID = hashlib.sha256(b"patient").hexdigest()
    image.StudyDate, image.StudyTime, image.PatientBirthDate = "00010101", "000000.00", "ANONYMIZED"
    image.PatientSex, image.PatientIdentityRemoved = "unknown", "TRUE"


COPIES = {"blank": blank, "removed": removed, "dummies": dummies}
REMARKS = {
    "removed": ["SliceThickness is absent: the distance of slices is given in its place"],
    "dummies": [
        f"{keyword} is not as DICOM has it and was left {how}"
        for keyword, how in (
            ("PatientBirthDate", "empty"),
            ("PatientSex", "empty"),
            ("StudyDate", "empty"),
            ("PatientIdentityRemoved", "out"),
        )
    ],
}


def series_of(archive: Path) -> list[Path]:
    """The files of its first series, in the order of the slices."""
    index = index_folder(archive)
    return [image.path for image in order_series(index.ct[min(index.ct)]).slices]


def write_copy(files: list[Path], window: tuple[slice, slice], change: Callable[..., None], to: Path) -> None:
    """De-identified: without private attributes, under new UIDs."""
    rows, columns = window
    for number, file in enumerate(files):
        image = pydicom.dcmread(file)
        pixels = np.ascontiguousarray(image.pixel_array[window])
        image.Rows, image.Columns, image.PixelData = *pixels.shape, pixels.tobytes()
        row_mm, column_mm = image.PixelSpacing
        along_columns, along_rows = np.reshape(image.ImageOrientationPatient, (2, 3)).astype(float)
        shift = columns.start * column_mm * along_columns + rows.start * row_mm * along_rows
        image.ImagePositionPatient = (np.asarray(image.ImagePositionPatient, float) + shift).tolist()
        image.remove_private_tags()
        for keyword in UIDS:
            image[keyword].value = new_uid(to.name, str(image[keyword].value))
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        change(image)
        to.mkdir(parents=True, exist_ok=True)
        image.save_as(to / f"{number:03d}.dcm")


def new_uid(copy: str, original: str) -> str:
    digest = hashlib.sha256(f"{copy} {original}".encode()).hexdigest()
    return f"2.25.{int(digest[:30], 16)}"


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("archive", list(WINDOWS))
def test_objects_of_deidentified_scans_are_valid_and_what_they_lack_is_said(
    workspace: Workspace, raemd_model: Path, real_data: Path, tmp_path: Path, archive: str
) -> None:
    files = series_of(real_data / archive)[:8]
    original = pydicom.dcmread(files[0])
    for name, change in COPIES.items():
        write_copy(files, WINDOWS[archive], change, tmp_path / "in" / name)
    write_copy(files, WINDOWS[archive], without_frame_of_reference, tmp_path / "in" / "untied")
    output = tmp_path / "out"
    finished = workspace.raemd("predict", "-i", tmp_path / "in", "-o", output, *MODEL, "--dicom", *KINDS)
    assert finished.returncode == 1 and "Traceback" not in finished.stdout
    assert "lacks FrameOfReferenceUID" in finished.stdout.partition("not everything could be done")[2]
    untied = new_uid("untied", str(original.SeriesInstanceUID))
    assert not list(output.glob(f"{untied}*"))  # nothing was predicted that no object could be made of

    report = json.loads((output / "scans.json").read_text(encoding="utf-8"))
    remarks = {scan["case_id"]: scan["remarks"] for scan in report["scans"]}
    masks = []
    for name in COPIES:
        uid = new_uid(name, str(original.SeriesInstanceUID))
        assert [r for r in remarks[uid] if r in REMARKS.get(name, ())] == REMARKS.get(name, [])
        assert all(f"Remark on {uid}: {remark}" in finished.stdout for remark in REMARKS.get(name, ()))
        objects = [output / f"{uid}.{kind}.dcm" for kind in KINDS]
        assert {file.name: errors(file) for file in objects} == {file.name: [] for file in objects}
        for file in objects:
            assert str(original.StudyInstanceUID) not in file.read_bytes().decode("latin-1")
            assert pydicom.dcmread(file).StudyInstanceUID == new_uid(name, str(original.StudyInstanceUID))
        masks.append(assert_objects_hold_the_segmentation(tmp_path / "in" / name, output, uid))
    assert masks[0].any() and all(np.array_equal(masks[0], mask) for mask in masks)


def without_frame_of_reference(image: Dataset) -> None:
    del image.FrameOfReferenceUID


def assert_objects_hold_the_segmentation(folder: Path, output: Path, uid: str) -> np.ndarray:
    """As the converter reads them back; returns the segmentation."""
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(output / f"{uid}.nii.gz")))
    series = order_series(index_folder(folder).ct[uid])
    slices = CtSlices(series.stack, tuple(image.uid for image in series.slices))
    found = [one for one in index_folder(output).delineations if one.path.name.startswith(uid)]
    assert {one.source for one in found} == {MaskSource.SEG, MaskSource.RTSTRUCT}
    for one in found:
        if one.source is MaskSource.SEG:
            drawn = draw_segments(one.path, one.rois, slices)
        else:
            drawn = draw_rois(one.path, one.rois, series.stack)
        assert np.array_equal(drawn.mask, labels > 0)
    return np.asarray(labels)
