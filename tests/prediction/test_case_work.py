"""The export of a case: whole or not at all."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from nnunetv2_raemd import whole_files
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction import case_work
from nnunetv2_raemd.prediction.batch_request import Batch
from nnunetv2_raemd.prediction.case_work import CaseWork
from nnunetv2_raemd.prediction.input_cases import InputCase
from nnunetv2_raemd.prediction.network_result import NetworkResult

CASE = InputCase("1.2.840.7", ())
SPACING_MM = (0.5, 0.75, 2.0)


@pytest.fixture
def work(tmp_path: Path) -> CaseWork:
    nothing: Any = None
    dataset_json = {"file_ending": ".nii.gz"}
    return CaseWork(nothing, nothing, dataset_json, tmp_path, save_probabilities=True)


def test_a_case_says_nothing_unless_it_is_to(work: CaseWork) -> None:
    """nnU-Net's preprocessing prints five lines a scan with `verbose`."""
    assert not work.verbose and not work.lungs and not work.uncertainty


def is_done(work: CaseWork) -> bool:
    return Batch(work.output, work.output, save_probabilities=True).is_done(CASE.case_id, ".nii.gz")


def _ended_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def export(work: CaseWork) -> None:
    work.export(NetworkResult(np.zeros((2, 1, 1, 1))), {}, CASE)


def test_nothing_is_left_of_an_export_that_fails(work: CaseWork, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_halfway(*arguments: Any, **_: Any) -> None:
        Path(f"{arguments[5]}.npz").touch()
        Path(f"{arguments[5]}.nii.gz").write_bytes(b"half a segm")
        raise OSError("no space left on device")

    monkeypatch.setattr(case_work, "export_prediction_from_logits", fail_halfway)
    with pytest.raises(UserError, match=r"7\.nii\.gz cannot be written: .*no space"):
        export(work)
    assert list(work.output.iterdir()) == []
    assert not is_done(work)


def test_the_segmentation_appears_last_and_what_a_killed_run_left_does_no_harm(
    work: CaseWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_files._remove_abandoned.cache_clear()
    left = work.output / f"{whole_files.PREFIX}{_ended_process()}@{socket.gethostname()}-x"
    left.mkdir()
    (left / "1.2.840.7.nii.gz").write_bytes(b"half a segm")
    (left / "of an earlier version").touch()
    appeared = []
    replace = Path.replace

    def note_and_replace(file: Path, target: Path) -> Path:
        appeared.append(file.name)
        assert not is_done(work)
        return replace(file, target)

    def write(*arguments: Any, **_: Any) -> None:
        for ending in (".nii.gz", ".npz", ".pkl"):
            Path(f"{arguments[5]}{ending}").write_text("whole", encoding="utf-8")

    monkeypatch.setattr(case_work, "export_prediction_from_logits", write)
    monkeypatch.setattr(Path, "replace", note_and_replace)
    export(work)
    assert appeared[-1] == "1.2.840.7.nii.gz"
    assert is_done(work)
    assert {file.name: file.read_text() for file in work.output.iterdir()} == {
        f"1.2.840.7{ending}": "whole" for ending in (".nii.gz", ".npz", ".pkl")
    }


@pytest.mark.parametrize(("reader", "ending"), [("SimpleITKIO", ".mha"), ("NibabelIO", ".nii")])
def test_only_what_is_stored_otherwise_is_turned(tmp_path: Path, reader: str, ending: str) -> None:
    """Into a file that the reader takes, of the same case and channel."""
    nothing: Any = None
    plans: Any = SimpleNamespace(plans={"image_reader_writer": reader})
    work = CaseWork(plans, nothing, {"file_ending": ".nii.gz"}, tmp_path)
    voxels = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(SPACING_MM)
    file = tmp_path / "a_0000.nii.gz"
    sitk.WriteImage(image, str(file))
    (tmp_path / "turned").mkdir()
    assert work._turned(file, InputCase("a", (file,)), tmp_path / "turned") == file
    turned = work._turned(file, InputCase("a", (file,), turn_to="RAS"), tmp_path / "turned")
    assert turned == tmp_path / "turned" / f"a_0000{ending}"
    found = sitk.ReadImage(str(turned))
    assert found.GetSpacing() == pytest.approx(SPACING_MM)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), voxels[:, ::-1, ::-1])


def test_turned_images_of_a_run_that_was_interrupted_do_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are those of patients, and an interrupt ends the process that has made them."""
    temporary = tmp_path / "temporary"
    left = temporary / f"{whole_files.PREFIX}{_ended_process()}@{socket.gethostname()}-x"
    left.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    file = tmp_path / "a_0000.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 3, 4), np.float32)), str(file))
    given: list[Path] = []

    def read(images: tuple[Path, ...], _: Path | None) -> tuple[None, dict[str, Any]]:
        given.extend(image for image in images if image.exists())
        return None, {}

    monkeypatch.setattr(case_work, "LeanPreprocessing", lambda *_: SimpleNamespace(read=read))
    plans: Any = SimpleNamespace(plans={"image_reader_writer": "SimpleITKIO"})
    work = CaseWork(plans, plans, {"file_ending": ".nii.gz"}, tmp_path)
    work.preprocess(InputCase("a", (file,), turn_to="RAS"))
    assert [image.parents[1] for image in given] == [temporary]
    assert list(temporary.iterdir()) == []
