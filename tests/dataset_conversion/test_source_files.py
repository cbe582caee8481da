"""Which files of a download are looked at: on several discs, and as macOS leaves them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from dicom_patient import MakePatient
from luna_folder import LunaFolder

from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_archive import Luna16
from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_choices import LungUse
from nnunetv2_raemd.dataset_conversion.archives.luna16.lung_masks import CaseWithLungs, LungChoice
from nnunetv2_raemd.dataset_conversion.archives.luna16.mask_sources import Spheres
from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.nsclc_radiomics_archive import NsclcRadiomics
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.source_files import files_below

APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "  # as such a file begins


def names(folder: Path, pattern: str = "*") -> list[str]:
    return [str(file.relative_to(folder)) for file in files_below(folder, pattern)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("archive/b/2.mhd", "archive/a/1.mhd", "archive/a/1.raw", "other/3.mhd", "other/3.MHD.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path / "archive"


def test_files_in_their_order(folder: Path) -> None:
    assert names(folder) == ["a/1.mhd", "a/1.raw", "b/2.mhd"]
    assert names(folder, "*.mhd") == ["a/1.mhd", "b/2.mhd"] and names(folder, "1*") == ["a/1.mhd", "a/1.raw"]
    assert names(folder / "absent") == []


def test_linked_folders_are_gone_into_and_each_folder_once(folder: Path) -> None:
    (folder / "c").symlink_to(folder.parent / "other")
    (folder / "copy of b").symlink_to(folder / "b")
    (folder / "b" / "back").symlink_to(folder)  # in a circle
    assert names(folder, "*.mhd") == ["a/1.mhd", "b/2.mhd", "c/3.mhd"]


def test_luna16_on_two_discs(luna_of_five: LunaFolder, tmp_path: Path) -> None:
    subset = luna_of_five.voxels("1.3").parent
    shutil.move(subset, tmp_path / "disc" / "somewhere")
    subset.symlink_to(tmp_path / "disc" / "somewhere")
    plan = Luna16(Spheres()).find_cases(luna_of_five.path, workers=1)
    assert [case.case_id for case in plan.cases] == ["1.0", "1.1", "1.2", "1.3", "1.4"]
    assert plan.subsets["1.3"] == int(subset.name.removeprefix("subset"))


def test_what_macos_keeps_beside_files_is_no_scan_and_no_lung_mask(luna_of_five: LunaFolder) -> None:
    lungs = luna_of_five.path / "seg-lungs-LUNA16"
    lungs.mkdir()
    for scan in list(luna_of_five.path.glob("subset*/*.mhd")):
        (lungs / scan.name).touch()
        for file in (scan, lungs / scan.name):
            file.with_name(f"._{file.name}").write_bytes(APPLE_DOUBLE)
    plan = Luna16(Spheres(), lungs=LungChoice(LungUse.CLASS)).find_cases(luna_of_five.path, workers=1)
    assert not plan.rejected
    cases = [case for case in plan.cases if isinstance(case, CaseWithLungs)]
    assert [[mask.name for mask in case.masks] for case in cases] == [[f"1.{n}.mhd"] for n in range(5)]


def test_what_macos_keeps_beside_files_spoils_no_patient(make_patient: MakePatient, tmp_path: Path) -> None:
    patient = make_patient()
    rtstruct = patient.write_rtstruct({"GTV-1": patient.box([2], rows=(3, 5), columns=(4, 9))})
    for file in (*patient.write_ct(), rtstruct):
        file.with_name(f"._{file.name}").write_bytes(APPLE_DOUBLE)
    assert not index_folder(tmp_path / "dicom").unreadable
    plan = NsclcRadiomics().find_cases(tmp_path / "dicom", workers=1)
    assert [case.case_id for case in plan.cases] == [patient.patient_id] and not plan.rejected
