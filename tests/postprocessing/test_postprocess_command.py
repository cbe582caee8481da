"""`raemd postprocess` on folders as nnU-Net leaves them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunetv2_raemd.cli import main
from nnunetv2_raemd.postprocessing.postprocessing_choices import FILE_NAME
from nnunetv2_raemd.postprocessing.postprocessing_steps import Postprocessing
from nnunetv2_raemd.postprocessing.postprocessor import combine

SHAPE, SPACING_MM = (6, 40, 40), (0.7, 0.7, 2.5)
N_CASES = 9
SETTINGS = {"name": "nodule", "values": [1], **asdict(Postprocessing())}
GEOMETRY = {"origin": (-100.5, 20.25, -300.0), "direction": (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0)}


def write(file: Path, array: np.ndarray) -> None:
    image = sitk.GetImageFromArray(array.astype(np.uint8))
    image.SetSpacing(SPACING_MM)
    image.SetOrigin(GEOMETRY["origin"])
    image.SetDirection(GEOMETRY["direction"])
    sitk.WriteImage(image, str(file))


def read(file: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(file)))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Predictions of a lesion with a small false one beside it, which is as probable, and the references."""
    predictions, references = tmp_path / "predictions", tmp_path / "references"
    for folder in (predictions, references):
        folder.mkdir()
    for number in range(N_CASES):
        lesion = np.zeros(SHAPE, bool)
        lesion[1:4, 5 : 15 + number, 5:15] = True
        false = np.zeros(SHAPE, bool)
        false[2, 28 : 33 + number % 3, 30:35] = True  # 25 to 35 voxels of 1.2 mm3; a disc of 2 mm fits
        write(references / f"case{number}.nii.gz", lesion)
        write(predictions / f"case{number}.nii.gz", lesion | false)
        nodule = np.where(lesion | false, 0.9, 0.05).astype(np.float32)
        np.savez_compressed(predictions / f"case{number}.npz", probabilities=np.stack([1 - nodule, nodule]))
    description = {"labels": {"background": 0, "nodule": 1}, "file_ending": ".nii.gz", "numTraining": 9}
    (predictions / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
    return predictions, references


def raemd(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["raemd", "postprocess", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_what_is_determined_and_applied_removes_the_false_lesions(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions, references = folders
    assert raemd(monkeypatch, "determine", "-i", predictions, "-ref", references, "-np", 2) == 0
    content = json.loads((predictions / FILE_NAME).read_text(encoding="utf-8"))
    (nodule,) = content["labels"]
    assert nodule["min_volume_mm3"] == 50  # the least that removes 43 mm3, of those that are tried
    assert (nodule["threshold"], nodule["opening_mm"], nodule["fill_holes"]) == (None, 0.0, False)
    assert content["cases"] == [f"case{number}" for number in range(N_CASES)]

    output = tmp_path / "output"
    settings = predictions / FILE_NAME
    assert raemd(monkeypatch, "apply", "-i", predictions, "-o", output, "-pp_file", settings, "-np", 1) == 0
    for number in range(N_CASES):
        name = f"case{number}.nii.gz"
        np.testing.assert_array_equal(read(output / name), read(references / name))
        image = sitk.ReadImage(str(output / name))
        np.testing.assert_allclose(image.GetOrigin(), GEOMETRY["origin"])
        np.testing.assert_allclose(image.GetSpacing(), SPACING_MM)
        assert image.GetDirection() == GEOMETRY["direction"]
    assert sorted(file.name for file in output.iterdir() if file.suffix == ".json") == ["dataset.json"]


def test_a_label_may_have_any_name_and_an_order_of_regions_does_no_harm_without_regions(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions, references = folders
    description = json.loads((predictions / "dataset.json").read_text(encoding="utf-8"))
    description |= {"labels": {"background": 0, "nodule/left": 1}, "regions_class_order": [1, 2]}
    (predictions / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
    output, settings = tmp_path / "output", predictions / FILE_NAME
    assert raemd(monkeypatch, "determine", "-i", predictions, "-ref", references, "-np", 1) == 0
    assert raemd(monkeypatch, "apply", "-i", predictions, "-o", output, "-pp_file", settings, "-np", 1) == 0
    np.testing.assert_array_equal(read(output / "case0.nii.gz"), read(references / "case0.nii.gz"))


def test_without_probability_maps_the_rest_is_still_tried(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    predictions, references = folders
    (predictions / "case3.npz").unlink()
    assert raemd(monkeypatch, "determine", "-i", predictions, "-ref", references, "-np", 1) == 0
    trials = json.loads((predictions / FILE_NAME).read_text(encoding="utf-8"))["labels"][0]["trials"]
    assert "threshold" not in {trial["step"] for trial in trials}
    assert "--npz" in capsys.readouterr().out


@pytest.mark.parametrize("kept", [10, 0.6], ids=["no_image", "cut_off"])
def test_a_damaged_case_is_reported_and_the_rest_goes_on(
    folders: tuple[Path, Path],
    kept: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    predictions, references = folders
    damaged = predictions / "case2.nii.gz"
    content = damaged.read_bytes()
    damaged.write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
    assert raemd(monkeypatch, "determine", "-i", predictions, "-ref", references, "-np", 1) == 1
    assert "case2.nii.gz" in capsys.readouterr().err
    output, settings = tmp_path / "output", predictions / FILE_NAME
    assert raemd(monkeypatch, "apply", "-i", predictions, "-o", output, "-pp_file", settings, "-np", 1) == 1
    assert "case2.nii.gz" in capsys.readouterr().err
    assert sorted(file.name for file in output.glob("*.nii.gz")) == [
        f"case{number}.nii.gz" for number in range(N_CASES) if number != 2
    ]


def test_settings_that_need_probabilities_say_so_where_there_are_none(
    folders: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    predictions, references = folders
    raemd(monkeypatch, "determine", "-i", predictions, "-ref", references, "-np", 1)
    settings = predictions / FILE_NAME
    content = json.loads(settings.read_text(encoding="utf-8"))
    content["labels"][0]["threshold"] = 0.3
    settings.write_text(json.dumps(content), encoding="utf-8")
    for file in predictions.glob("*.npz"):
        file.unlink()
    capsys.readouterr()
    command = ("apply", "-i", predictions, "-o", tmp_path / "output", "-pp_file", settings, "-np", 1)
    assert raemd(monkeypatch, *command) == 1
    assert "--save_probabilities" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"format": "another"}, "format"),
        (
            {"labels": [{"name": "nodule", "values": [1], "threshold": "high"}]},
            'threshold is "high"',
        ),
        ({"labels": []}, "other labels"),
        ({"labels": [SETTINGS | {"threshold": 40}]}, "labels.0.threshold is 40"),
        ({"labels": [SETTINGS | {"min_volume_mm3": float("nan")}]}, "labels.0.min_volume_mm3 is NaN"),
        ({"labels": [SETTINGS | {"opening_mm": -1}]}, "labels.0.opening_mm is -1"),
    ],
)
def test_a_file_that_holds_no_settings_is_refused(
    folders: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, object],
    named: str,
) -> None:
    predictions, references = folders
    raemd(monkeypatch, "determine", "-i", predictions, "-ref", references, "-np", 1)
    settings = predictions / FILE_NAME
    content = json.loads(settings.read_text(encoding="utf-8")) | change
    settings.write_text(json.dumps(content), encoding="utf-8")
    capsys.readouterr()
    assert raemd(monkeypatch, "apply", "-i", predictions, "-o", tmp_path / "out", "-pp_file", settings) == 1
    assert named in capsys.readouterr().err


def masks(*arrays: Sequence[int]) -> list[np.ndarray]:
    return [np.array(array, bool) for array in arrays]


def test_labels_lose_to_background_and_win_from_it_alone() -> None:
    segmentation = np.array([1, 1, 0, 2, 2])
    before, after = masks([1, 1, 0, 0, 0], [0, 1, 1, 1, 0])
    kept = segmentation == 2
    combined = combine(segmentation, {(1,): (before, after), (2,): (kept, kept)}, None)
    np.testing.assert_array_equal(combined, [0, 1, 1, 2, 2])


def test_regions_are_painted_in_nnu_nets_order() -> None:
    lung, nodule = masks([1, 1, 1, 0], [0, 1, 0, 1])
    combined = combine(np.zeros(4, int), {(1, 2): (lung, lung), (2,): (nodule, nodule)}, (1, 2))
    np.testing.assert_array_equal(combined, [1, 2, 1, 2])
