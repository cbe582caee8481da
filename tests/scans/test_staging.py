"""What is given to be predicted, made into a folder of images."""

from __future__ import annotations

import gzip
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_patient import DicomPatient

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.scans.series_choice import Wanted
from nnunetv2_raemd.scans.staging import Staging, is_nnunet_folder, stage


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    folder = tmp_path / "work"
    folder.mkdir()
    return Staging(folder, ".nii.gz", Wanted(), lambda _: False)


def volume(file: Path, shape: tuple[int, ...] = (3, 4, 5)) -> np.ndarray:
    """Write an image with a geometry of its own."""
    values = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    image = sitk.GetImageFromArray(values)
    if len(shape) == 3:
        image.SetSpacing((0.7, 0.8, 2.5))
        image.SetOrigin((-10.0, 20.0, -300.5))
        image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    sitk.WriteImage(image, str(file))
    return values


@pytest.mark.parametrize("name", ["any name.mha", "x.nrrd", "scan_0000.nii.gz", "a.b.nii", "upper.NRRD"])
def test_a_single_image_of_any_name(tmp_path: Path, staging: Staging, name: str) -> None:
    values = volume(tmp_path / name)
    (scan,) = stage(tmp_path / name, staging).scans
    assert scan.case_id == {"scan_0000.nii.gz": "scan", "a.b.nii": "a.b"}.get(name, name.rsplit(".", 1)[0])
    assert scan.image.name == f"{scan.case_id}_0000.nii.gz" and scan.series is None
    image = sitk.ReadImage(str(scan.image))
    assert np.array_equal(sitk.GetArrayFromImage(image), values)
    assert np.allclose(image.GetOrigin(), (-10.0, 20.0, -300.5))
    assert np.allclose(image.GetSpacing(), (0.7, 0.8, 2.5))


def test_nothing_of_a_header_but_its_geometry_is_kept(tmp_path: Path, staging: Staging) -> None:
    image = sitk.Image(3, 4, 5, sitk.sitkInt16)
    image.SetMetaData("PatientName", "Secret^Name")
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    assert b"Secret" in (tmp_path / "a.nrrd").read_bytes()
    (scan,) = stage(tmp_path / "a.nrrd", staging).scans
    assert b"Secret" not in gzip.decompress(scan.image.read_bytes())


def test_dicom_goes_by_its_series(tmp_path: Path, staging: Staging) -> None:
    patient = DicomPatient(tmp_path / "in")
    patient.write_ct()
    (scan,) = stage(tmp_path / "in", staging).scans
    assert scan.case_id == patient.uids["ct"]
    image = sitk.GetArrayFromImage(sitk.ReadImage(str(scan.image)))
    assert np.array_equal(image, patient.stored.astype(int) - 1024)


def test_a_bad_slice_costs_its_series_only(tmp_path: Path, staging: Staging) -> None:
    good, bad = DicomPatient(tmp_path / "in" / "a", "A"), DicomPatient(tmp_path / "in" / "b", "B")
    good.write_ct()
    file = bad.write_ct()[3]
    file.write_bytes(file.read_bytes()[:-100])
    staged = stage(tmp_path / "in", staging)
    assert [scan.case_id for scan in staged.scans] == [good.uids["ct"]]
    (problem,) = staged.problems
    assert bad.uids["ct"] in problem and file.name in problem


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("absent", "absent does not exist"),
        ("empty", "holds no file"),
        ("notes.txt", "neither a zip file nor an image"),
        ("two.mha", "not one volume of one channel"),
        ("cut.nii.gz", r"cut\.nii\.gz"),
        ("none.nrrd", r"none\.nrrd has a damaged header"),
        ("pipe", "pipe is a named pipe"),
        ("nan.mha", r"nan\.mha contains NaN"),
        ("upper.MHA", r"upper\.MHA cannot be read: write its ending in small letters"),
        (".hidden.nii.gz", "begins with a dot"),
        ("cut.zip", r"cut\.zip is a zip file that is damaged or cut off"),
        ("scans.zip", r"scans\.zip holds no CT image among 1 file"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, staging: Staging, name: str, told: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no scan")
    (tmp_path / "none.nrrd").write_text("no image")
    volume(tmp_path / "two.mha", (4, 5))
    volume(tmp_path / "cut.nii.gz", (30, 40, 50))
    os.mkfifo(tmp_path / "pipe")
    sitk.WriteImage(sitk.GetImageFromArray(np.full((3, 4, 5), np.nan)), str(tmp_path / "nan.mha"))
    volume(tmp_path / "upper.mha")
    (tmp_path / "upper.mha").rename(tmp_path / "upper.MHA")
    volume(tmp_path / ".hidden.nii.gz")
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as archive:
        archive.write(tmp_path / ".hidden.nii.gz", "scan.nii.gz")
    (tmp_path / "cut.zip").write_bytes((tmp_path / "scans.zip").read_bytes()[:-30])
    whole = (tmp_path / "cut.nii.gz").read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=told):
        stage(tmp_path / name, staging)


def test_of_a_zip_file_its_own_name_is_told(tmp_path: Path, staging: Staging) -> None:
    """Not the folder that it was unpacked into, which is gone when the message is read."""
    good, bad = DicomPatient(tmp_path / "in" / "a", "A"), DicomPatient(tmp_path / "in" / "b", "B")
    files = [*good.write_ct(), *bad.write_ct()]
    files[-1].write_bytes(files[-1].read_bytes()[:300])
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for number, file in enumerate(files):
            archive.write(file, f"IM{number}")
    staged = stage(tmp_path / "in.zip", staging)
    said = " ".join((*staged.problems, *staged.remarks))
    assert f"{tmp_path / 'in.zip'}/000016_IM15" in said
    assert str(staging.folder) not in said


def test_series_are_for_dicom(tmp_path: Path) -> None:
    volume(tmp_path / "a.mha")
    with pytest.raises(UserError, match="--series is for DICOM"):
        stage(tmp_path / "a.mha", Staging(tmp_path, ".nii.gz", Wanted(("1.2",)), lambda _: False))


def test_a_model_of_pictures_takes_no_scans(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"predicts \.png files"):
        Staging(tmp_path, ".png", Wanted(), lambda _: False)


def test_a_folder_of_nnu_nets_is_known_by_the_ending(tmp_path: Path) -> None:
    (tmp_path / "a_0000.nii.gz").touch()
    assert is_nnunet_folder(tmp_path, ".nii.gz")
    assert not is_nnunet_folder(tmp_path, ".mha") and not is_nnunet_folder(tmp_path / "no", ".nii.gz")
