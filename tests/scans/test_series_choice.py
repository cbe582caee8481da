"""Which series of a folder are predicted, and what is said of the others."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from dicom_patient import DicomPatient, save
from pydicom.uid import MRImageStorage, PositronEmissionTomographyImageStorage, generate_uid

from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.scans.series_choice import SeriesChoice, Wanted, choose_series

AddSeries = Callable[..., str]
THIN, THICK = tuple(1.0 * i for i in range(25)), tuple(5.0 * i for i in range(6))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def add_series(folder: Path) -> AddSeries:
    """Adds a series to the folder; returns its UID."""

    def add(name: str, *, study: str = "study", changes: dict[str, Any] | None = None, **options: Any) -> str:
        patient = DicomPatient(folder / "not used", **options)
        uid = generate_uid(entropy_srcs=["series", name])
        same = {"SeriesInstanceUID": uid, "StudyInstanceUID": generate_uid(entropy_srcs=[study])}
        for index in range(len(patient.heights_mm)):
            sop = generate_uid(entropy_srcs=[name, str(index)])
            values = {"SOPInstanceUID": sop, **same, **(changes or {})}
            save(patient.ct_slice(index, **values), folder / name / "deeper" / f"IM{index:03d}")
        return uid

    return add


def choose(folder: Path, *uids: str, slice_distance_mm: float = 1.25, **options: int) -> SeriesChoice:
    wanted = Wanted(uids, slice_distance_mm, **options)
    return choose_series(index_folder(folder), wanted, folder)


def chosen(folder: Path, *uids: str, slice_distance_mm: float = 1.25) -> list[str]:
    return [one.uid for one in choose(folder, *uids, slice_distance_mm=slice_distance_mm).chosen]


def test_of_a_study_the_series_that_is_most_like_the_training(folder: Path, add_series: AddSeries) -> None:
    thin, thick = add_series("thin", heights_mm=THIN), add_series("thick", heights_mm=THICK)
    assert chosen(folder, slice_distance_mm=1.25) == [thin]
    assert chosen(folder, slice_distance_mm=4.0) == [thick]
    (one,) = choose(folder).chosen
    assert any(thick in remark and "--series" in remark for remark in one.remarks)


def test_named_series_and_only_these(folder: Path, add_series: AddSeries) -> None:
    thin, thick = add_series("thin", heights_mm=THIN), add_series("thick", heights_mm=THICK)
    assert chosen(folder, thick) == [thick]
    assert chosen(folder, thick, thin) == [thick, thin]
    with pytest.raises(UserError, match=rf"no CT series 1\.2\.3; it has .*{thick}"):
        choose(folder, "1.2.3")


def test_a_short_series_of_the_same_distance_is_not_taken(folder: Path, add_series: AddSeries) -> None:
    add_series("short", heights_mm=tuple(1.25 * i for i in range(4)))
    whole = add_series("whole", heights_mm=THICK)
    assert chosen(folder, slice_distance_mm=1.25) == [whole]


def test_reformats_and_localizers_are_not_taken_unless_named(folder: Path, add_series: AddSeries) -> None:
    axial = add_series("axial", heights_mm=THICK)
    coronal = add_series("coronal", heights_mm=THIN, orientation=(1, 0, 0, 0, 0, -1))
    localizer = add_series(
        "localizer", heights_mm=(0.0,), changes={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    )
    assert chosen(folder) == [axial]
    told = " ".join(choose(folder).chosen[0].remarks)
    assert coronal in told and "long axis" in told and localizer in told
    assert chosen(folder, coronal) == [coronal]


def test_each_study_is_a_case_and_shares_are_dealt_out(folder: Path, add_series: AddSeries) -> None:
    uids = {add_series(name, study=name, patient_id=name) for name in ("a", "b", "c")}
    assert set(chosen(folder)) == uids
    assert any("3 patients" in remark for remark in choose(folder).remarks)
    shares = [[one.uid for one in choose(folder, part=part, parts=2).chosen] for part in range(2)]
    assert sorted(map(len, shares)) == [1, 2] and set(shares[0] + shares[1]) == uids


@pytest.mark.parametrize("study_uid", ["", "1.2.3"])
def test_patients_who_were_left_no_study_of_their_own_are_all_predicted(
    folder: Path, add_series: AddSeries, study_uid: str
) -> None:
    """By de-identification that empties study UIDs, or gives all the same."""
    changes = {"StudyInstanceUID": study_uid}
    uids = {add_series(name, patient_id=name, changes=changes) for name in ("a", "b", "c")}
    assert set(chosen(folder)) == uids


def test_patients_mixed_in_one_series_are_refused(folder: Path, add_series: AddSeries) -> None:
    uid = add_series("mixed")
    file = folder / "mixed" / "deeper" / "IM003"
    dataset = pydicom.dcmread(file)
    dataset.PatientID = "somebody else"
    dataset.save_as(file)
    choice = choose(folder)
    assert not choice.chosen
    (problem,) = choice.problems
    assert problem.startswith(f"series {uid}: its images name 2 different patients")


def test_pet_beside_ct_is_passed_over(folder: Path, add_series: AddSeries) -> None:
    ct = add_series("ct")
    add_series("pet", changes={"SOPClassUID": PositronEmissionTomographyImageStorage, "Modality": "PT"})
    assert chosen(folder) == [ct]


def test_a_localizer_alone_is_named(folder: Path, add_series: AddSeries) -> None:
    uid = add_series("scout", changes={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]})
    choice = choose(folder)
    assert not choice.chosen
    assert choice.problems == (f"series {uid}: the CT series holds nothing but localizers and pages of text",)


def test_without_ct_what_there_is_is_named(folder: Path, add_series: AddSeries) -> None:
    add_series("mr", changes={"SOPClassUID": MRImageStorage, "Modality": "MR"})
    (folder / "notes.txt").write_text("no DICOM")
    with pytest.raises(UserError, match="holds no CT image among 9 files: 8 MR, 1 not DICOM"):
        choose(folder)


def test_5000_files_of_other_kinds_do_not_hide_the_ct(folder: Path, add_series: AddSeries) -> None:
    ct = add_series("ct")
    for number in range(5000):
        (folder / f"{number}.xml").write_bytes(b"<a/>")
    assert chosen(folder) == [ct]


def test_a_truncated_slice_is_not_left_out_in_silence(folder: Path, add_series: AddSeries) -> None:
    uid = add_series("ct")
    file = folder / "ct" / "deeper" / "IM007"  # the last: no gap would show
    file.write_bytes(file.read_bytes()[:300])
    choice = choose(folder)
    assert not choice.chosen
    (problem,) = choice.problems
    assert uid in problem and "IM007" in problem and "may be slices of it" in problem


@pytest.mark.parametrize("content", [b"", bytes(20_000)])
def test_a_blank_slice_is_not_left_out_in_silence(
    folder: Path, add_series: AddSeries, content: bytes
) -> None:
    """As a copy leaves it that ended before the content came; a blank file of another ending is none."""
    uid = add_series("ct")
    beside = folder / "ct" / "deeper"
    (beside / "notes.txt").write_bytes(content)
    assert chosen(folder) == [uid]
    (beside / "IM007").write_bytes(content)
    choice = choose(folder)
    assert not choice.chosen
    (problem,) = choice.problems
    assert f"{beside / 'IM007'}: it is empty or holds zeros only" in problem


def test_a_zip_file_in_the_folder_is_named(folder: Path) -> None:
    with zipfile.ZipFile(folder / "inner", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(UserError, match=r"no CT image among 1 file: 1 zip file \(unpack it first\)"):
        choose(folder)


def test_images_without_a_uid_are_named(folder: Path, add_series: AddSeries) -> None:
    add_series("ct", changes={"SeriesInstanceUID": None})
    with pytest.raises(UserError, match=r"IM000: it lacks SeriesInstanceUID$"):
        choose(folder)


def test_one_unreadable_file_elsewhere_spoils_nothing(folder: Path, add_series: AddSeries) -> None:
    ct = add_series("ct")
    other = DicomPatient(folder / "x", "OTHER")
    save(other.ct_slice(0, SeriesInstanceUID=None), folder / "elsewhere" / "bad")
    choice = choose(folder)
    assert [one.uid for one in choice.chosen] == [ct]
    assert any("elsewhere/bad" in remark for remark in choice.remarks)
