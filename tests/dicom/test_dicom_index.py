"""Finding CT images and structure sets by their headers."""

from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path

import pydicom
import pytest
from dicom_patient import MakePatient, SaveDicom
from pydicom.uid import EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage

from nnunetv2_raemd.dicom import dicom_index
from nnunetv2_raemd.dicom.dicom_files import discreet_reading
from nnunetv2_raemd.dicom.dicom_headers import read_header
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.dicom.index_entries import CtInstance, Delineation
from nnunetv2_raemd.errors import UserError


def test_finds_all_whatever_the_files_are_called(make_patient: MakePatient, tmp_path: Path) -> None:
    patient = make_patient()
    files = patient.write_ct()
    patient.write_rtstruct({"Lung": [], "GTV-1": patient.box([2], rows=(3, 5), columns=(4, 6))})
    flat = tmp_path / "dicom" / "a" / "b"
    flat.mkdir(parents=True)
    for number, file in enumerate(files):
        file.rename(flat / f"{number}")  # no suffix, another folder
    (flat / "metadata.csv").write_text("PatientID,SeriesInstanceUID\n")
    (flat / "picture.jpg").write_bytes(b"\xff\xd8\xff")
    (flat / "empty.txt").write_bytes(b"")
    found = index_folder(tmp_path / "dicom")
    assert list(found.ct) == [patient.uids["ct"]]
    assert len(found.ct[patient.uids["ct"]]) == 8 and not found.unreadable
    structure_set = found.delineations[0]
    assert [series.uid for series in structure_set.series] == [patient.uids["ct"]]
    assert [(roi.number, roi.names) for roi in structure_set.rois] == [(3, ("Lung",)), (4, ("GTV-1",))]


def test_processes_find_the_same(make_patient: MakePatient, tmp_path: Path) -> None:
    for number in range(10):
        make_patient(f"LUNG1-{number:03d}").write_ct()
    assert index_folder(tmp_path / "dicom", workers=2) == index_folder(tmp_path / "dicom")


def test_nothing_that_identifies_the_patient_is_kept(make_patient: MakePatient) -> None:
    patient = make_patient()
    image, structure_set = patient.write_ct()[0], patient.write_rtstruct({"GTV-1": []})
    for file in (image, structure_set):
        assert "Secret" not in repr(read_header(file)) and "1900" not in repr(read_header(file))


def test_a_ct_image_of_several_frames_is_refused_and_named(
    make_patient: MakePatient, save_dicom: SaveDicom
) -> None:
    """Only enhanced CT says where each frame lies: of others, the first alone would be read."""
    patient = make_patient()
    file = patient.write_ct()[3]
    dataset = pydicom.dcmread(file)
    dataset.NumberOfFrames, dataset.PixelData = 2, dataset.PixelData * 2
    save_dicom(dataset, file)
    found = index_folder(patient.folder)
    assert [(one.path, "2 frames" in one.reason) for one in found.unreadable] == [(file, True)]


@pytest.mark.parametrize("keep", [140, 300, 600])
def test_file_cut_off_in_its_header_is_unreadable_and_named(
    make_patient: MakePatient, tmp_path: Path, keep: int
) -> None:
    patient = make_patient()
    file = patient.write_ct()[3]
    file.write_bytes(file.read_bytes()[:keep])
    found = index_folder(tmp_path / "dicom")
    assert [u.path for u in found.unreadable] == [file] and found.unreadable[0].reason
    assert len(found.ct[patient.uids["ct"]]) == 7


def test_dcm_without_preamble_is_read_and_one_that_is_no_dicom_is_reported(
    make_patient: MakePatient, tmp_path: Path
) -> None:
    file = make_patient().write_ct()[0]
    file.write_bytes(file.read_bytes()[132:])
    assert isinstance(read_header(file), CtInstance)
    other = tmp_path / "dicom" / "other.dcm"
    other.write_text("<html>404</html>")
    assert [u.path for u in index_folder(tmp_path / "dicom").unreadable] == [other]


@pytest.mark.parametrize("kind", [EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage])
def test_multi_frame_ct_that_does_not_describe_its_frames_is_refused(
    make_patient: MakePatient, save_dicom: SaveDicom, tmp_path: Path, kind: str
) -> None:
    image = make_patient().ct_slice(0, SOPClassUID=kind)
    save_dicom(image, tmp_path / "many.dcm")
    (unreadable,) = index_folder(tmp_path).unreadable
    assert "does not describe each of them" in unreadable.reason
    assert unreadable.sop_uid == image.SOPInstanceUID


def test_progress_shows_in_a_log_file(
    make_patient: MakePatient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = make_patient().write_ct()
    files[2].write_bytes(files[2].read_bytes()[:200])
    index_folder(tmp_path / "dicom")
    out = capsys.readouterr().out
    assert "Reading headers 1/8" in out and "Reading headers 8/8, 1 failed" in out


def end_process(_: Path) -> None:
    os._exit(9)


def test_dead_worker_is_one_message(
    make_patient: MakePatient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_patient().write_ct()
    monkeypatch.setattr(dicom_index, "_FILES_PER_TASK", 4)
    monkeypatch.setattr(dicom_index, "read_header", end_process)
    with pytest.raises(UserError, match="fewer --workers"):
        index_folder(tmp_path / "dicom", workers=2)


def test_threads_read_discreetly_side_by_side(recwarn: pytest.WarningsRecorder) -> None:
    """The first to leave must not undo what the other still needs, the last must undo all."""
    before = pydicom.config.settings.reading_validation_mode
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with discreet_reading():
            inside.set()
            leave.wait(20)

    thread = threading.Thread(target=other)
    with discreet_reading():
        thread.start()
        assert inside.wait(20)
    warnings.warn("quoting a value", stacklevel=1)
    assert pydicom.config.settings.reading_validation_mode == pydicom.config.IGNORE
    assert not recwarn.list
    leave.set()
    thread.join()
    assert pydicom.config.settings.reading_validation_mode == before
    with pytest.warns(UserWarning, match="heard again"):
        warnings.warn("heard again", stacklevel=1)


def test_observation_labels_count_as_names(real_data: Path) -> None:
    files = (real_data / "nsclc-radiomics").rglob("1-1.dcm")
    structure_set = read_header(next(files))
    assert isinstance(structure_set, Delineation)
    assert [roi.names for roi in structure_set.rois][-1] == ("GTV-1",) and len(structure_set.rois) == 6


@pytest.mark.parametrize("name", ["rt", "invalid_reference_rt", "non_existent_reference_rt"])
def test_malformed_references_do_not_stop_the_index(real_data: Path, name: str) -> None:
    structure_set = read_header(real_data / "dicom-odd" / "rt-utils" / "mock_data" / f"{name}.dcm")
    assert isinstance(structure_set, Delineation) and structure_set.rois
    assert bool(structure_set.series) == (name != "non_existent_reference_rt")
