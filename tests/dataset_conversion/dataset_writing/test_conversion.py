"""Whole conversions: the folder that nnU-Net gets, runs that follow on one another, the report."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from fake_cases import FakeCase
from luna_folder import LunaFolder
from nnunetv2.experiment_planning.plan_and_preprocess_api import (
    extract_fingerprint_dataset,
    plan_experiment_dataset,
)
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_scans import DESCRIPTION, find_luna16_cases
from nnunetv2_raemd.dataset_conversion.archives.luna16.mask_sources import Spheres
from nnunetv2_raemd.dataset_conversion.case import FoundCases, Status
from nnunetv2_raemd.dataset_conversion.dataset_folder import DatasetFolder, dataset_folder
from nnunetv2_raemd.dataset_conversion.dataset_writing import conversion
from nnunetv2_raemd.dataset_conversion.dataset_writing.conversion import ConversionResult, RunOptions, convert
from nnunetv2_raemd.dataset_conversion.dataset_writing.conversion_batch import convert_case
from nnunetv2_raemd.dataset_conversion.dataset_writing.splits import GroupedFolds
from nnunetv2_raemd.errors import UserError


def run(folder: Path, *, masks: str = "sphere", **options: Any) -> ConversionResult:
    return convert(
        find_luna16_cases(folder, Spheres()),
        dataset_folder(501, "Test"),
        DESCRIPTION,
        settings={"archive": "LUNA16", "masks": masks},
        options=RunOptions(**options),
    )


def contents(folder: Path) -> dict[str, bytes]:
    """All visible files and their bytes."""
    files = (f for f in folder.rglob("*") if f.is_file() and ".conversion" not in f.parts)
    return {str(f.relative_to(folder)): f.read_bytes() for f in files}


def names(result: ConversionResult, status: Status) -> list[str]:
    return [o.case_id for o in result.outcomes if o.status is status]


def test_dataset_passes_nnunets_own_check(
    luna_of_five: LunaFolder, nnunet_folders: Path, nnunet_in_threads: None
) -> None:
    result = run(luna_of_five.path)
    assert result.folder == nnunet_folders / "Dataset501_Test" and not result.failed
    verify_dataset_integrity(str(result.folder), num_processes=2)
    about = json.loads((result.folder / "dataset.json").read_text())
    assert about["channel_names"] == {"0": "CT"} and about["labels"] == {"background": 0, "nodule": 1}
    assert about["numTraining"] == 5 and about["file_ending"] == ".nii.gz" and about["licence"] == "CC BY 4.0"


def test_splits_hold_every_case_once(luna_of_five: LunaFolder, nnunet_folders: Path) -> None:
    splits = json.loads((run(luna_of_five.path).folder / "splits_final.json").read_text())
    assert sorted(c for fold in splits for c in fold["val"]) == ["1.0", "1.1", "1.2", "1.3", "1.4"]
    assert len(splits) == 5


def test_same_input_gives_the_same_bytes(luna_of_five: LunaFolder, nnunet_folders: Path) -> None:
    first = contents(run(luna_of_five.path).folder)
    time.sleep(1.1)  # a time stamp in a gzip header counts seconds
    again = contents(run(luna_of_five.path, overwrite=True, workers=2).folder)
    assert first == again and len(first) == 14


def test_bad_case_is_left_out_and_reported(
    luna_of_five: LunaFolder, nnunet_folders: Path, nnunet_in_threads: None
) -> None:
    raw = luna_of_five.voxels("1.2")
    raw.write_bytes(raw.read_bytes()[:-10])
    result = run(luna_of_five.path)
    assert names(result, Status.FAILED) == ["1.2"] and len(names(result, Status.CONVERTED)) == 4
    assert not [f for f in contents(result.folder) if "1.2" in Path(f).name]
    verify_dataset_integrity(str(result.folder), num_processes=2)
    report = json.loads((result.folder / "conversion_report.json").read_text())
    assert report["counts"] == {"in dataset": 4, "failed": 1, "excluded": 0}
    with (result.folder / "conversion_report.csv").open(newline="") as stream:
        rows = {row["case"]: row for row in csv.DictReader(stream)}
    assert rows["1.2"]["status"] == "failed" and "1.2.raw has" in rows["1.2"]["reason"]
    assert rows["1.1"]["orientation"] == "RAS" and rows["1.0"]["orientation"] == "LPS"
    assert rows["1.4"]["checks"] == "no annotation: negative case" and rows["1.4"]["lesions"] == "0"


def test_mended_case_joins_and_the_others_are_kept(luna_of_five: LunaFolder, nnunet_folders: Path) -> None:
    raw = luna_of_five.voxels("1.2")
    whole = raw.read_bytes()
    raw.write_bytes(whole[:-10])
    run(luna_of_five.path)
    raw.write_bytes(whole)
    result = run(luna_of_five.path)
    assert names(result, Status.CONVERTED) == ["1.2"] and len(names(result, Status.KEPT)) == 4
    assert json.loads((result.folder / "dataset.json").read_text())["numTraining"] == 5


def test_limit_grows_into_the_whole(luna_of_five: LunaFolder, nnunet_folders: Path) -> None:
    assert len(run(luna_of_five.path, limit=2).outcomes) == 2
    in_steps = contents(run(luna_of_five.path).folder)
    assert in_steps == contents(run(luna_of_five.path, overwrite=True).folder)


def test_cases_of_an_earlier_run_stay_in_dataset_and_report(
    luna_of_five: LunaFolder, nnunet_folders: Path
) -> None:
    run(luna_of_five.path)
    result = run(luna_of_five.path, limit=1)
    assert json.loads((result.folder / "dataset.json").read_text())["numTraining"] == 5
    assert json.loads((result.folder / "conversion_report.json").read_text())["counts"]["in dataset"] == 5


def test_other_settings_need_overwrite(luna_of_five: LunaFolder, nnunet_folders: Path) -> None:
    run(luna_of_five.path)
    with pytest.raises(UserError, match=r"other settings.*--overwrite"):
        run(luna_of_five.path, masks="something else")
    assert len(names(run(luna_of_five.path, masks="something else", overwrite=True), Status.CONVERTED)) == 5


def test_damaged_settings_count_as_other_ones(luna_of_five: LunaFolder, nnunet_folders: Path) -> None:
    (run(luna_of_five.path).folder / ".conversion" / "settings.json").write_text("{")
    with pytest.raises(UserError, match="other settings"):
        run(luna_of_five.path)


def test_strict_stops_at_what_cannot_even_be_planned(luna_of_five: LunaFolder, nnunet_folders: Path) -> None:
    copy = luna_of_five.path / "copy"
    copy.mkdir()
    (copy / "1.0.mhd").write_bytes(next(luna_of_five.path.rglob("1.0.mhd")).read_bytes())
    with pytest.raises(UserError, match=r"1\.0: the scan was found 2 times.*--strict"):
        run(luna_of_five.path, strict=True)
    assert names(run(luna_of_five.path), Status.FAILED) == ["1.0"]


def test_strict_run_that_cannot_begin_leaves_the_dataset_as_it_was(
    luna_of_five: LunaFolder, nnunet_folders: Path
) -> None:
    before = contents(run(luna_of_five.path).folder)
    copy = luna_of_five.path / "copy"
    copy.mkdir()
    (copy / "1.0.mhd").write_bytes(next(luna_of_five.path.rglob("1.0.mhd")).read_bytes())
    with pytest.raises(UserError, match="--strict"):
        run(luna_of_five.path, strict=True, overwrite=True)
    assert contents(nnunet_folders / "Dataset501_Test") == before


def test_somebody_elses_dataset_is_not_touched(luna_of_five: LunaFolder, nnunet_folders: Path) -> None:
    theirs = nnunet_folders / "Dataset501_Test" / "imagesTr" / "theirs_0000.nii.gz"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"precious")
    for overwrite in (False, True):
        with pytest.raises(UserError, match=r"theirs_0000\.nii\.gz"):
            run(luna_of_five.path, overwrite=overwrite)
    assert theirs.read_bytes() == b"precious" and len(list(theirs.parents[1].rglob("*.*"))) == 1


def test_nothing_to_convert_leaves_no_dataset(luna: LunaFolder, nnunet_folders: Path) -> None:
    luna.add_scan("1.0")
    luna.write_annotations()
    luna.voxels("1.0").unlink()
    result = run(luna.path)
    assert sorted(contents(result.folder)) == ["conversion_report.csv", "conversion_report.json"]
    assert any("there is no dataset" in remark for remark in result.remarks)


def test_one_patient_gives_no_splits(luna: LunaFolder, nnunet_folders: Path) -> None:
    luna.add_scan("1.0")
    luna.write_annotations()
    result = run(luna.path)
    assert not (result.folder / "splits_final.json").exists()
    assert any("fold 'all'" in remark for remark in result.remarks)


def test_older_splits_in_the_preprocessed_folder_are_pointed_out(
    luna_of_five: LunaFolder, nnunet_folders: Path
) -> None:
    """nnU-Net would stop planning with an AssertionError that says nothing."""
    run(luna_of_five.path, limit=4)
    copy = nnunet_folders.parent / "nnUNet_preprocessed" / "Dataset501_Test" / "splits_final.json"
    copy.parent.mkdir()
    copy.write_bytes((nnunet_folders / "Dataset501_Test" / "splits_final.json").read_bytes())
    assert not any("delete" in remark for remark in run(luna_of_five.path, limit=4).remarks)
    assert any(f"delete {copy}" in remark for remark in run(luna_of_five.path).remarks)


@pytest.fixture
def luna_of_sixty(luna: LunaFolder) -> LunaFolder:
    """Enough scans for a run to be stopped in the middle."""
    for number in range(60):
        luna.add_scan(f"1.{number}", nodule=(10, 9, 8))
    luna.write_annotations()
    return luna


# The command as a program. Its scans take long enough to be stopped among them, however busy the machine is.
# A shell may have started pytest with interrupts ignored.
PROGRAM = """
import signal, sys, time
from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_scans import Luna16Scan

load = Luna16Scan.load
def load_slowly(case):
    time.sleep(0.1)
    return load(case)
Luna16Scan.load = load_slowly

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from nnunetv2_raemd.cli import main
    main()
"""


def begun(folder: Path, nnunet_raw: Path, *, workers: int) -> subprocess.Popen[bytes]:
    """A conversion as a process of its own, which has finished some cases."""
    script = folder / "run.py"
    script.write_text(PROGRAM)
    command = [sys.executable, str(script), "convert", "luna16", "--input", str(folder)]
    command += ["--dataset-id", "501", "--name", "Test", "--masks", "sphere", "--workers", str(workers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    records = nnunet_raw / "Dataset501_Test" / ".conversion" / "cases"
    while len(list(records.glob("1.*.json"))) < 3:
        assert process.poll() is None, process.communicate()[0].decode()
        time.sleep(0.005)
    return process


@pytest.mark.parametrize("pause_s", [0.0, 0.002])
def test_second_interrupt_does_not_hang_the_run(
    luna_of_sixty: LunaFolder, nnunet_folders: Path, pause_s: float
) -> None:
    """Who presses Ctrl-C twice; it kept the pool of workers waiting for ever."""
    process = begun(luna_of_sixty.path, nnunet_folders, workers=2)
    process.send_signal(signal.SIGINT)
    time.sleep(pause_s)
    process.send_signal(signal.SIGINT)
    try:
        output = process.communicate(timeout=60)[0].decode()
    finally:
        process.kill()
    assert process.returncode == 130 and "The same command continues" in output
    assert "Traceback" not in output
    assert len(DatasetFolder(nnunet_folders / "Dataset501_Test").recorded_cases()) < 60


def test_killed_run_is_continued(luna_of_sixty: LunaFolder, nnunet_folders: Path) -> None:
    """kill -9 in the middle; the next run keeps what was finished and leaves no trace of the rest."""
    process = begun(luna_of_sixty.path, nnunet_folders, workers=1)
    process.kill()
    process.wait()
    folder = DatasetFolder(nnunet_folders / "Dataset501_Test")
    assert 1 <= len(folder.recorded_cases()) < 60
    result = run(luna_of_sixty.path)
    assert names(result, Status.KEPT) and names(result, Status.CONVERTED) and not result.failed
    assert contents(result.folder) == contents(run(luna_of_sixty.path, overwrite=True).folder)


def test_killed_run_leaves_no_workers_behind(luna_of_sixty: LunaFolder, nnunet_folders: Path) -> None:
    """kill -9 of the main process only; an orphan would go on beside the run that continues, for ever."""
    process = begun(luna_of_sixty.path, nnunet_folders, workers=2)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    result = run(luna_of_sixty.path)
    assert len(workers) >= 2 and psutil.wait_procs(workers, timeout=20)[1] == []
    assert not result.failed and len(result.outcomes) == 60
    assert contents(result.folder) == contents(run(luna_of_sixty.path, overwrite=True).folder)


def test_removal_that_is_cut_short_is_completed(
    luna_of_five: LunaFolder, nnunet_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its image would otherwise look like somebody else's, and every later run would refuse the folder."""
    folder = dataset_folder(501, "Test")
    run(luna_of_five.path)
    unlink = Path.unlink

    def killed(file: Path, missing_ok: bool = False) -> None:
        if file.suffix == ".gz":
            raise KeyboardInterrupt
        unlink(file, missing_ok=missing_ok)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "unlink", killed)
        folder.discard("1.2")
    result = run(luna_of_five.path)
    assert names(result, Status.CONVERTED) == ["1.2"] and len(names(result, Status.KEPT)) == 4


def test_process_of_an_earlier_run_can_do_nothing_more(
    luna_of_five: LunaFolder, nnunet_folders: Path
) -> None:
    """As a cluster's worker may still be at a case when the run was interrupted and started again."""
    earlier = dataset_folder(501, "Test").prepare()
    later = earlier.prepare()
    case, bad = find_luna16_cases(luna_of_five.path, Spheres()).cases[:2]
    luna_of_five.voxels(bad.case_id).unlink()
    for each in (case, bad):
        with pytest.raises(UserError, match="another run of the converter has taken over"):
            convert_case(each, earlier)
    assert not later.recorded_cases() and not list((later.path / "imagesTr").iterdir())
    assert convert_case(case, later).status is Status.CONVERTED


def test_case_killed_between_its_files_is_not_taken_for_a_case(
    luna_of_five: LunaFolder, nnunet_folders: Path
) -> None:
    folder = dataset_folder(501, "Test")
    run(luna_of_five.path)
    folder.record("1.3").write_text('{"pending": true}')
    folder.label("1.3").unlink()
    result = run(luna_of_five.path, limit=2)
    assert not folder.image("1.3").exists()
    assert json.loads((result.folder / "dataset.json").read_text())["numTraining"] == 4


@pytest.mark.parametrize(
    ("dataset_id", "name", "message"),
    [
        (0, "A", "between 1 and 999"),
        (1000, "A", "between 1 and 999"),
        (5, "a/b", "--name"),
        (5, "", "--name"),
    ],
)
def test_what_nnunet_could_not_use_is_refused(
    nnunet_folders: Path, dataset_id: int, name: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        dataset_folder(dataset_id, name)


def test_taken_number_and_missing_variable(nnunet_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (nnunet_folders / "Dataset007_Other").mkdir()
    with pytest.raises(UserError, match="taken by Dataset007_Other"):
        dataset_folder(7, "Mine")
    monkeypatch.delenv("nnUNet_raw")
    with pytest.raises(UserError, match="nnUNet_raw is not set"):
        dataset_folder(7, "Mine")


def test_nnunet_plans_with_our_splits(
    luna_of_five: LunaFolder, nnunet_folders: Path, nnunet_in_threads: None
) -> None:
    """nnU-Net copies splits_final.json from the raw folder when planning, and trains by the copy."""
    folder = run(luna_of_five.path, split=GroupedFolds(folds=3)).folder
    extract_fingerprint_dataset(501, num_processes=2, check_dataset_integrity=True)
    plan_experiment_dataset(501)
    copy = nnunet_folders.parent / "nnUNet_preprocessed" / folder.name / "splits_final.json"
    assert copy.read_bytes() == (folder / "splits_final.json").read_bytes()


def run_fakes(*case_ids: str) -> ConversionResult:
    found = FoundCases(tuple(FakeCase(case_id) for case_id in case_ids))
    folder = dataset_folder(502, "Fakes")
    return convert(found, folder, DESCRIPTION, settings={}, options=RunOptions())


def test_cases_whose_names_differ_in_case_only_are_both_there_and_named(nnunet_folders: Path) -> None:
    result = run_fakes("Pat-1", "pat-1", "pat-2")
    assert names(result, Status.CONVERTED) == ["Pat-1", "pat-1", "pat-2"]
    (remark,) = (remark for remark in result.remarks if "differ only in case" in remark)
    assert remark.startswith("Pat-1 and pat-1 differ") and "same patient" in remark


def test_cases_that_would_be_one_file_are_refused(
    nnunet_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where an earlier run wrote the other one, which stays."""
    monkeypatch.setattr(conversion, "are_one_file", lambda folder, group: True)
    result = run_fakes("Pat-1", "pat-1", "pat-2")
    assert names(result, Status.FAILED) == ["Pat-1", "pat-1"]
    assert all("would be one file" in outcome.reason for outcome in result.failed)
    again = run_fakes("Pat-2")
    assert names(again, Status.FAILED) == ["Pat-2"]
    assert [file.name for file in (again.folder / "labelsTr").iterdir()] == ["pat-2.nii.gz"]
