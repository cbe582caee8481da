"""`raemd calibrate`: from a cross-validation's files to the calibration in the model's folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from typer.testing import CliRunner, Result
from validated_folders import ValidatedFolders, make_validated

from nnunetv2_raemd.cli import app
from nnunetv2_raemd.confidence.calibration import Calibration
from nnunetv2_raemd.confidence.calibration_file import FILE_NAME, load_calibration, save_calibration
from nnunetv2_raemd.confidence.case_evidence import ValidatedCase, gather
from nnunetv2_raemd.confidence.confidence_model import features_of
from nnunetv2_raemd.confidence.rated_lesions import Promise, rating_by
from nnunetv2_raemd.confidence.voxel_temperature import NO_VOXELS, count_voxels, fit_temperature
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles
from nnunetv2_raemd.lesions.scan_files import ScanFiles
from nnunetv2_raemd.lesions.scan_measurement import measure_scan
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.nnunet_files.trained_models import TrainedModel
from nnunetv2_raemd.report.calibration_section import calibration_sections

NODULE = LabelSet((Target("nodule", (1,)),))


def raemd(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValidatedFolders]:
    root = tmp_path_factory.mktemp("nnunet")
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("raw", "preprocessed", "results"):
            patch.setenv(f"nnUNet_{kind}", str(root / kind))
        made = make_validated(root)
        result = raemd("calibrate", "-d", 701, "-np", 1)
        assert result.exit_code == 0, result.output
        assert "real and" in result.output
        yield made


@pytest.fixture
def calibration(folders: ValidatedFolders) -> Calibration:
    return load_calibration(folders.model / FILE_NAME)


def test_what_the_file_holds(folders: ValidatedFolders, calibration: Calibration) -> None:
    content = json.loads((folders.model / FILE_NAME).read_text(encoding="utf-8"))
    assert content["folds"] == ["0", "1", "2"]
    assert len(content["cases"]) == 24
    (label,) = content["labels"]
    n_predicted = sum(len(case["confidences"]) for case in label["cases"])
    assert n_predicted == label["confidence_model"]["n_real"] + label["confidence_model"]["n_false"]
    assert content["training_scans"]["ranges"]["slice_spacing_mm"] == [2, 2]
    quality = label["quality"]
    assert sum(quality["lesions"]["counts"]) == n_predicted
    assert quality["lesions"]["brier"] < quality["uncalibrated"]["brier"]
    assert quality["voxels"]["ece"] < quality["unscaled"]["ece"]
    assert [check["kind"] for check in quality["checks"]] == ["false positives", "sensitivity"]
    assert calibration.labels[0].model.coefficients[0] + calibration.labels[0].model.coefficients[1] > 0


def test_the_temperature_is_that_of_all_voxels(folders: ValidatedFolders, calibration: Calibration) -> None:
    counts = NO_VOXELS
    references = folders.root / "preprocessed" / folders.name / "gt_segmentations"
    for file in folders.model.glob("fold_*/validation/*.npz"):
        inside = sitk.GetArrayFromImage(sitk.ReadImage(str(references / f"{file.stem}.nii.gz"))) == 1
        probability = np.load(file)["probabilities"][1]
        counts = counts + count_voxels(probability, inside, np.ones_like(inside))
    assert calibration.labels[0].temperature == pytest.approx(fit_temperature(counts))


def test_lesions_are_rated_and_listed_by_the_promise(
    folders: ValidatedFolders, calibration: Calibration
) -> None:
    rating = rating_by(calibration, NODULE, Promise(false_positives=0.5))
    model, point = calibration.labels[0].model, rating.points["nodule"]
    listed = []
    for file in sorted(folders.model.glob("fold_*/validation/*.npz")):
        scan = ScanFiles(file.stem, file.with_suffix(".nii.gz"), None, file)
        for lesion in map(rating.rated, measure_scan(scan, NODULE).lesions):
            expected = model.confidences(np.array([features_of(lesion)]))[0]
            assert lesion.confidence == pytest.approx(expected)
            assert lesion.listed == (expected >= point.threshold)
            listed.append(lesion.listed)
    assert 0 < sum(listed) < len(listed)
    assert rating_by(calibration, NODULE, Promise()).points == {}


def test_promises_that_are_none(calibration: Calibration) -> None:
    for wrong in ({"false_positives": 0.0}, {"sensitivity": 1.0}, {"false_positives": 1, "sensitivity": 0.5}):
        with pytest.raises(UserError):
            Promise(**wrong)
    with pytest.raises(UserError, match=r"nodule: .*cannot be promised"):
        rating_by(calibration, NODULE, Promise(sensitivity=0.999))
    with pytest.raises(UserError, match="other labels"):
        rating_by(calibration, LabelSet((Target("tumour", (1,)),)), Promise())


def test_a_scheduler_finds_the_same(folders: ValidatedFolders) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra [cluster] is not installed")
    file = folders.model / FILE_NAME
    here = file.read_text(encoding="utf-8")
    with distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster:
        result = raemd("calibrate", "-d", 701, "--scheduler", cluster.scheduler_address)
    assert result.exit_code == 0, result.output
    assert file.read_text(encoding="utf-8") == here


def test_it_is_of_the_trainings_that_were_validated(folders: ValidatedFolders) -> None:
    checkpoints = [folders.model / f"fold_{fold}" / "checkpoint_final.pth" for fold in range(3)]
    for number, file in enumerate(checkpoints):
        torch.save({"weight": torch.full((3,), float(number))}, file)
    try:
        assert raemd("calibrate", "-d", 701, "-np", 1).exit_code == 0
        assert load_calibration(folders.model / FILE_NAME).trainings.keys() == {"0", "1", "2"}
        torch.save({"weight": torch.full((3,), 9.0)}, checkpoints[1])
        with pytest.raises(UserError, match="from another training of fold 1 than the one beside it"):
            load_calibration(folders.model / FILE_NAME)
    finally:
        for file in checkpoints:
            file.unlink()


def test_kept_whole(calibration: Calibration, tmp_path: Path) -> None:
    save_calibration(calibration, tmp_path / FILE_NAME)
    assert str(load_calibration(tmp_path / FILE_NAME)) == str(calibration)  # NaN is not equal to itself
    save_calibration(replace(calibration, training=None), tmp_path / FILE_NAME)
    assert load_calibration(tmp_path / FILE_NAME).training is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("version 1", "version 9"),
        lambda text: text.replace('"temperature"', '"t"'),
        lambda text: "[]",
        lambda text: "[" * 100_000,
        lambda text: text.replace('"scales": [', '"scales": [-'),
    ],
    ids=["cut off", "version", "key", "list", "nested", "negative"],
)
def test_damaged_files_are_refused(folders: ValidatedFolders, tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    file = tmp_path / FILE_NAME
    file.write_text(damage((folders.model / FILE_NAME).read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(UserError, match="calibrate"):
        load_calibration(file)


def test_bad_cases_are_named_and_left_out(
    folders: ValidatedFolders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = ValidatedFolders(shutil.copytree(folders.root, tmp_path / "copy"))
    monkeypatch.setenv("nnUNet_raw", str(copied.root / "raw"))
    monkeypatch.setenv("nnUNet_preprocessed", str(copied.root / "preprocessed"))
    monkeypatch.setenv("nnUNet_results", str(copied.root / "results"))
    shutil.rmtree(copied.raw / "imagesTr")
    validation = copied.model / "fold_0" / "validation"
    (validation / "case_00.npz").unlink()
    (validation / "case_03.npz").write_bytes(b"PK")
    mask = sitk.ReadImage(str(validation / "case_06.nii.gz"))
    sitk.WriteImage(mask * 255, str(validation / "case_06.nii.gz"))
    result = raemd("calibrate", "-d", 701, "-np", 1)
    assert result.exit_code == 1
    assert "case_00: " in result.output
    assert "case_03: " in result.output
    assert "holds values that are no label: 255" in result.output
    assert "images could not be used" in result.output
    found = load_calibration(copied.model / FILE_NAME)
    assert len(found.case_ids) == 21
    assert found.training is None
    for file in copied.model.glob("fold_*/validation/*.npz"):
        file.unlink()
    before = (copied.model / FILE_NAME).read_bytes()
    with pytest.raises(UserError, match="at least 2"):
        raemd("calibrate", "-d", 701, "-np", 1)
    assert (copied.model / FILE_NAME).read_bytes() == before


def test_images_that_hold_no_hu_do_not_count_as_what_scans_are_like(
    folders: ValidatedFolders, tmp_path: Path
) -> None:
    hu = folders.raw / "imagesTr" / "case_00_0000.nii.gz"
    mask = folders.model / "fold_0" / "validation" / "case_00.nii.gz"
    case = CaseFiles("case_00", "0", mask, mask, mask.with_name("case_00.npz"))
    labels = LabelSet((Target("nodule", (1,)),))
    found = gather(ValidatedCase(case, hu), labels)
    assert found.profile is not None and found.remark is None
    stored = tmp_path / "stored.nii.gz"
    sitk.WriteImage(sitk.ReadImage(str(hu)) + 1024, str(stored))
    found = gather(ValidatedCase(case, stored), labels)
    assert found.profile is None
    assert found.remark is not None and found.remark.startswith(f"{stored}: its values do not look like HU")


def test_the_report_shows_it(folders: ValidatedFolders, tmp_path: Path) -> None:
    models = (TrainedModel("ours", folders.model, ("0",)), TrainedModel("none", tmp_path, ("0",)))
    (section,), missing = calibration_sections(models)
    assert (section.title, missing) == ("ours: nodule", [])
    content = json.loads((folders.model / FILE_NAME).read_text(encoding="utf-8"))
    quality = content["labels"][0]["quality"]
    assert section.table.rows[1][1:3] == (
        f"{quality['lesions']['ece']:.3f}",
        f"{quality['lesions']['brier']:.3f}",
    )
    shares = json.loads(section.lesions.figure)["data"][2]["y"]
    assert shares == pytest.approx(quality["lesions"]["share_true"], abs=1e-5)
    (tmp_path / FILE_NAME).write_text("{}", encoding="utf-8")
    sections, missing = calibration_sections(models)
    assert len(sections) == 1
    assert "Run raemd calibrate again" in missing[0]


def test_a_map_that_is_not_of_the_prediction_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of one map reversed, which nothing else shows."""
    for kind in ("raw", "preprocessed", "results"):
        monkeypatch.setenv(f"nnUNet_{kind}", str(tmp_path / kind))
    made = make_validated(tmp_path, n_cases=6, n_folds=2)
    file = made.model / "fold_1" / "validation" / "case_03.npz"
    with np.load(file) as arrays:
        np.savez_compressed(file, probabilities=arrays["probabilities"][:, :, ::-1])
    result = raemd("calibrate", "-d", 701, "-np", 1)
    assert result.exit_code == 1
    assert "case_03.npz is not the probability map of" in " ".join(result.output.split())
    assert len(json.loads((made.model / FILE_NAME).read_text(encoding="utf-8"))["cases"]) == 5


def test_patients_who_were_trained_on_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two cases are of one patient, and the folds take one each."""
    for kind in ("raw", "preprocessed", "results"):
        monkeypatch.setenv(f"nnUNet_{kind}", str(tmp_path / kind))
    made = make_validated(tmp_path, n_cases=6, n_folds=2)
    cases = [f"case_{i:02d}" for i in range(6)]
    rows = [{"case": case, "patient": "P" if case < "case_02" else case} for case in cases]
    (made.raw / "conversion_report.json").write_text(json.dumps({"cases": rows}), encoding="utf-8")
    splits = [{"train": cases[1::2], "val": cases[::2]}, {"train": cases[::2], "val": cases[1::2]}]
    (tmp_path / "preprocessed" / made.name / "splits_final.json").write_text(json.dumps(splits))
    result = raemd("calibrate", "-d", 701, "-np", 1)
    for fold, trained, validated in ((0, 1, 0), (1, 0, 1)):
        told = f"P (trained on case_0{trained}, validated on case_0{validated})"
        assert f"Note: fold {fold} has 1 patient in training and validation, as {told}" in result.output
