"""Lists of lesions beside predicted segmentations, with and without a calibration."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from nnunetv2_raemd.confidence.calibration import Calibration, LabelCalibration
from nnunetv2_raemd.confidence.calibration_file import FILE_NAME, save_calibration
from nnunetv2_raemd.confidence.confidence_model import FEATURES, ConfidenceModel, features_of
from nnunetv2_raemd.confidence.lesion_evidence import ScoredCase
from nnunetv2_raemd.confidence.rated_lesions import NOTHING_PROMISED, Promise
from nnunetv2_raemd.confidence.unlike_scans import TrainingScans
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.lesions.lesion_list import load_scan
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.prediction import case_work
from nnunetv2_raemd.prediction.case_work import CaseWork
from nnunetv2_raemd.prediction.input_cases import InputCase
from nnunetv2_raemd.prediction.lesion_lists import (
    SUFFIX,
    LesionLister,
    lesions_in,
    list_all,
    lister_for,
)
from nnunetv2_raemd.prediction.network_result import NetworkResult

NODULE = Target("nodule", (1,))
LABELS = LabelSet((NODULE,))
MODEL = ConfidenceModel((0.0,) * len(FEATURES), (1.0,) * len(FEATURES), (1.0, 0.5, 0.2, 0.0), -1.0, 30, 30)
SCANS = TrainingScans(9, {"slice_spacing_mm": (1.0, 2.0)}, (-800.0,) * 20, 20.0)
CASE = "scan"


def calibration() -> Calibration:
    """Thirty scans with a false lesion each, of confidence 0.50, 0.51 ..."""
    cases = tuple(ScoredCase((0.5 + 0.01 * i,), ((),), 0) for i in range(30))
    label = LabelCalibration(NODULE, 1.3, MODEL, cases)
    return Calibration(("0", "1"), ("a", "b"), (label,), SCANS)


@pytest.fixture
def scan(tmp_path: Path) -> InputCase:
    """A CT of -800 HU with slices of 2 mm."""
    image = sitk.Image([20, 20, 10], sitk.sitkInt16) - 800
    image.SetSpacing((1, 1, 2))
    file = tmp_path / "in" / f"{CASE}_0000.nii.gz"
    file.parent.mkdir()
    sitk.WriteImage(image, str(file))
    return InputCase(CASE, (file,))


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch) -> None:
    """In nnU-Net's place: two lesions, of 0.95 and 0.6, and the probabilities where they are asked for."""

    def write(*arguments: Any, **_: Any) -> None:
        probability = np.full((10, 20, 20), 0.01, np.float32)
        probability[2:5, 2:8, 2:8], probability[6:8, 12:16, 12:16] = 0.95, 0.6
        image = sitk.GetImageFromArray((probability > 0.5).astype(np.uint8))
        image.SetSpacing((1, 1, 2))
        sitk.WriteImage(image, f"{arguments[5]}.nii.gz")
        if arguments[6]:
            maps = np.stack([1 - probability, probability])
            np.savez_compressed(f"{arguments[5]}.npz", probabilities=maps)
            Path(f"{arguments[5]}.pkl").touch()

    monkeypatch.setattr(case_work, "export_prediction_from_logits", write)


def work_with(lister: LesionLister, output: Path, *, keep: bool = False, **more: Any) -> CaseWork:
    output.mkdir(exist_ok=True)
    nothing: Any = None
    about = {"file_ending": ".nii.gz", "channel_names": {"0": "CT"}}
    return CaseWork(nothing, nothing, about | more, output, lister=lister, save_probabilities=keep)


def predict(work: CaseWork, case: InputCase) -> list[str]:
    work.export(NetworkResult(np.zeros((2, 1, 1, 1))), {}, case)
    return sorted(file.name for file in work.output.iterdir())


@pytest.mark.usefixtures("export")
def test_without_a_calibration_lesions_have_no_confidence_and_it_is_said_why(
    scan: InputCase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lister = lister_for(tmp_path, LABELS, NOTHING_PROMISED)
    work = work_with(lister, tmp_path / "out")
    assert predict(work, scan) == [f"{CASE}{SUFFIX}", f"{CASE}.nii.gz"]
    assert list_all(lister, work.output) == []
    assert "raemd calibrate" in capsys.readouterr().out
    found = load_scan(work.output / f"{CASE}{SUFFIX}")
    assert [lesion.confidence for lesion in found.lesions] == [None, None]
    assert [lesion.n_voxels for lesion in found.lesions] == [108, 32]
    assert [lesion.mean_hu for lesion in found.lesions] == [-800, -800]
    assert any("raemd calibrate" in remark for remark in found.remarks)
    assert found.segmentation == work.output / f"{CASE}.nii.gz"


@pytest.mark.usefixtures("export")
def test_with_a_calibration_they_are_rated_and_those_below_the_operating_point_are_not_in_the_table(
    scan: InputCase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_calibration(calibration(), tmp_path / FILE_NAME)
    lister = lister_for(tmp_path, LABELS, Promise(false_positives=0.5))
    work = work_with(lister, tmp_path / "out")
    assert predict(work, scan) == [f"{CASE}{SUFFIX}", f"{CASE}.nii.gz"]  # no probabilities are left
    assert list_all(lister, work.output) == []
    likely, unlikely = load_scan(work.output / f"{CASE}{SUFFIX}").lesions
    for lesion in (likely, unlikely):
        expected = MODEL.confidences(np.array([features_of(lesion)]))[0]
        assert lesion.confidence == pytest.approx(expected, abs=1e-3)
    assert (likely.listed, unlikely.listed) == (True, False)
    with (work.output / "lesions.csv").open(encoding="utf-8", newline="") as file:
        assert [row["number"] for row in csv.DictReader(file)] == ["1"]
    both = json.loads((work.output / "lesions.json").read_text(encoding="utf-8"))["scans"][0]["lesions"]
    assert [lesion["listed"] for lesion in both] == [True, False]
    said = capsys.readouterr().out
    assert "only in lesions.json: 1" in said
    assert "at most 0.5 false positives per scan" in said
    assert "unlike" not in said


@pytest.mark.usefixtures("export")
def test_confidences_by_label_and_place_for_dicom_objects(scan: InputCase, tmp_path: Path) -> None:
    save_calibration(calibration(), tmp_path / FILE_NAME)
    work = work_with(lister_for(tmp_path, LABELS, NOTHING_PROMISED), tmp_path / "out")
    predict(work, scan)
    file = work.output / f"{CASE}{SUFFIX}"
    likely, unlikely = load_scan(file).lesions
    assert lesions_in(file) == {("nodule", 1): likely, ("nodule", 2): unlikely}
    assert lesions_in(tmp_path / "absent") == {}


@pytest.mark.usefixtures("export")
def test_only_the_channel_that_is_ct_has_hu(scan: InputCase, tmp_path: Path) -> None:
    lister = lister_for(None, LABELS, NOTHING_PROMISED)
    work = work_with(lister, tmp_path / "out", channel_names={"0": "PET"})
    predict(work, scan)
    found = load_scan(work.output / f"{CASE}{SUFFIX}")
    assert [lesion.mean_hu for lesion in found.lesions] == [None, None]


@pytest.mark.usefixtures("export")
def test_probabilities_that_were_asked_for_stay(scan: InputCase, tmp_path: Path) -> None:
    save_calibration(calibration(), tmp_path / FILE_NAME)
    work = work_with(lister_for(tmp_path, LABELS, NOTHING_PROMISED), tmp_path / "out", keep=True)
    assert f"{CASE}.npz" in predict(work, scan)


@pytest.mark.usefixtures("export")
def test_a_scan_unlike_the_trainings_is_flagged(
    scan: InputCase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    thin = replace(SCANS, ranges={"slice_spacing_mm": (0.6, 1.25)})
    save_calibration(replace(calibration(), training=thin), tmp_path / FILE_NAME)
    lister = lister_for(tmp_path, LABELS, NOTHING_PROMISED)
    work = work_with(lister, tmp_path / "out")
    predict(work, scan)
    list_all(lister, work.output)
    reason = "slice spacing: 2 mm, in the training 0.6 to 1.25 mm"
    assert load_scan(work.output / f"{CASE}{SUFFIX}").unlike_training == (reason,)
    assert f"{CASE} is unlike the scans of the training: {reason}" in capsys.readouterr().out


def test_a_list_that_cannot_be_made_costs_no_segmentation(
    scan: InputCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_picture(*arguments: Any, **_: Any) -> None:
        sitk.WriteImage(sitk.Image(8, 8, sitk.sitkUInt8), f"{arguments[5]}.nii.gz")

    monkeypatch.setattr(case_work, "export_prediction_from_logits", write_picture)
    lister = lister_for(None, LABELS, NOTHING_PROMISED)
    work = work_with(lister, tmp_path / "out")
    assert f"{CASE}.nii.gz" in predict(work, scan)
    (reason,) = list_all(lister, work.output)
    assert reason.startswith(f"{CASE}: its lesions are not listed: ")
    assert "two-dimensional" in reason


def test_a_promise_needs_a_calibration_of_the_same_labels(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="rest on a calibration"):
        lister_for(tmp_path, LABELS, Promise(sensitivity=0.9))
    save_calibration(calibration(), tmp_path / FILE_NAME)
    with pytest.raises(UserError, match="other labels"):
        lister_for(tmp_path, LabelSet((Target("tumour", (1,)),)), NOTHING_PROMISED)
