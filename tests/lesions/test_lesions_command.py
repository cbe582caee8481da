"""`raemd lesions`: folders and files to lists and exit status."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_shapes import ball, draw, grid, middle_mm
from typer.testing import CliRunner, Result

from nnunetv2_raemd.cli import app
from nnunetv2_raemd.errors import UserError


def raemd(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "lesions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def json_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "lesions.json").read_text(encoding="utf-8"))
    return content


EMPTY = grid((30, 28, 20), (0.8, 0.8, 2.0))
MIDDLE = middle_mm(EMPTY)
LARGE, SMALL = ball(MIDDLE + 3, 6.0), ball(MIDDLE - 7, 2.0)


def write(image: sitk.Image, file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(file))
    return file


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    """Two lesions in case_a, none in case_b; a dataset.json; images of 100 and -800 HU."""
    folder = tmp_path / "pred"
    mask = draw(EMPTY, LARGE, SMALL)
    write(mask, folder / "case_a.nii.gz")
    write(EMPTY, folder / "case_b.nii.gz")
    hu = sitk.Cast(mask, sitk.sitkInt16) * 900 - 800
    write(hu, tmp_path / "images" / "case_a_0000.nii.gz")
    write(hu, tmp_path / "images" / "case_b_0000.nii.gz")
    about = {"labels": {"background": 0, "nodule": 1}, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(about), encoding="utf-8")
    (folder / ".case_c.nii.gz").write_bytes(b"left by macOS")
    return folder


def test_lists_of_a_folder(predictions: Path, tmp_path: Path) -> None:
    inside = sitk.GetArrayFromImage(sitk.ReadImage(str(predictions / "case_a.nii.gz"))) > 0
    maps = np.stack([~inside, inside]).astype(np.float32) * np.float32(0.75)
    np.savez_compressed(predictions / "case_a.npz", probabilities=maps)
    result = raemd("lesions", "-i", predictions, "--images", tmp_path / "images", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    large, small = rows_of(tmp_path / "out")
    assert (large["case"], large["number"], large["label"]) == ("case_a", "1", "nodule")
    assert (float(large["mean_hu"]), float(large["sd_hu"]), float(small["mean_hu"])) == (100, 0, 100)
    assert [float(large[f"centre_{axis}_mm"]) for axis in "xyz"] == pytest.approx(MIDDLE + 3, abs=0.2)
    assert [float(small[f"centre_{axis}_mm"]) for axis in "xyz"] == pytest.approx(MIDDLE - 7, abs=0.5)
    assert (float(large["max_probability"]), float(large["mean_probability"])) == (0.75, 0.75)
    assert large["confidence"] == ""
    with_lesions, without = json_of(tmp_path / "out")["scans"]
    assert with_lesions["lesions"][0]["volume_mm3"] == pytest.approx(float(large["volume_mm3"]))
    assert (without["case_id"], without["lesions"], without["remarks"]) == ("case_b", [], [])


def test_a_single_file_and_all_its_numbers(tmp_path: Path) -> None:
    """Without dataset.json each number is a label; numbers of lesions run on over the labels."""
    labels = draw(EMPTY, LARGE) + draw(EMPTY, SMALL) * 7
    file = write(labels, tmp_path / "any name.nrrd")
    assert raemd("lesions", "-i", file, "-o", tmp_path / "out").exit_code == 0
    assert [(row["number"], row["label"]) for row in rows_of(tmp_path / "out")] == [
        ("1", "label 1"),
        ("2", "label 7"),
    ]
    assert raemd("lesions", "-i", file, "-l", 7, "-o", tmp_path / "seven").exit_code == 0
    assert [row["label"] for row in rows_of(tmp_path / "seven")] == ["label 7"]


def test_bad_files_cost_no_other(predictions: Path, tmp_path: Path) -> None:
    whole = (predictions / "case_a.nii.gz").read_bytes()
    (predictions / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (predictions / "text.nii.gz").write_text("not an image", encoding="utf-8")
    write(sitk.Cast(EMPTY, sitk.sitkFloat32) + 0.5, predictions / "probability.nii.gz")
    write(sitk.Cast(EMPTY, sitk.sitkInt16) - 1000, predictions / "image.nii.gz")
    write(EMPTY[:, :, 3], predictions / "slice.nii.gz")
    result = raemd("lesions", "-i", predictions, "-o", tmp_path / "out", "-np", 1)
    assert result.exit_code == 1
    failed = {scan["case_id"]: scan["reason"] for scan in json_of(tmp_path / "out")["failed"]}
    assert failed.keys() == {"cut", "text", "probability", "image", "slice"}
    assert "not a segmentation" in failed["probability"]
    assert "not a segmentation" in failed["image"]
    assert "two-dimensional" in failed["slice"]
    assert len(rows_of(tmp_path / "out")) == 2
    assert "cut: " in result.output


def test_values_that_are_no_label_are_named(predictions: Path, tmp_path: Path) -> None:
    """As other programs write masks (255), and as a map of two classes is (2)."""
    write(draw(EMPTY, LARGE, SMALL) * 255, predictions / "case_b.nii.gz")
    write(draw(EMPTY, LARGE) + draw(EMPTY, SMALL) * 2, predictions / "case_a.nii.gz")
    result = raemd("lesions", "-i", predictions, "-o", tmp_path / "out", "-np", 1)
    assert result.exit_code == 1
    assert [row["case"] for row in rows_of(tmp_path / "out")] == ["case_a"]
    remarks = [scan["remarks"] for scan in json_of(tmp_path / "out")["scans"]]
    assert [remark for (remark,) in remarks] == [
        f"{file} holds values that are no label: {value}. They are not measured"
        for file, value in ((predictions / "case_a.nii.gz", 2), (predictions / "case_b.nii.gz", 255))
    ]


@pytest.mark.parametrize("wrong", ["absent", "grid", "broken", "nan", "no spacing"])
def test_a_bad_image_costs_the_hu_only(predictions: Path, tmp_path: Path, wrong: str) -> None:
    image = tmp_path / "images" / "case_a_0000.nii.gz"
    if wrong == "grid":
        write(sitk.Image([30, 28, 20], sitk.sitkInt16), image)
    elif wrong == "broken":
        image.write_bytes(b"")
    elif wrong == "nan":
        hu = sitk.GetArrayFromImage(sitk.ReadImage(str(image))).astype(np.float32)
        hu[hu > 0] = np.nan
        broken = sitk.GetImageFromArray(hu)
        broken.CopyInformation(EMPTY)
        write(broken, image)
    elif wrong == "no spacing":
        nifti = bytearray(gzip.decompress(image.read_bytes()))
        nifti[80:92] = bytes(12)  # pixdim[1:4]
        image.write_bytes(gzip.compress(bytes(nifti)))
    else:
        image.unlink()
    result = raemd("lesions", "-i", predictions, "--images", image.parent, "-o", tmp_path / "out", "-np", 1)
    assert result.exit_code == 1
    assert [row["mean_hu"] for row in rows_of(tmp_path / "out")] == ["", ""]
    (remark,) = json_of(tmp_path / "out")["scans"][0]["remarks"]
    assert remark.startswith("HU are left out: ")
    assert str(image) in remark


@pytest.mark.parametrize("shift", [1024, -1024])
def test_images_that_hold_no_hu_are_named(predictions: Path, tmp_path: Path, shift: int) -> None:
    image = tmp_path / "images" / "case_a_0000.nii.gz"
    write(sitk.ReadImage(str(image)) + shift, image)
    result = raemd("lesions", "-i", predictions, "--images", image.parent, "-o", tmp_path / "out", "-np", 1)
    assert result.exit_code == 1
    (remark,), without = (scan["remarks"] for scan in json_of(tmp_path / "out")["scans"])
    assert remark.startswith(f"HU of the lesions are not to be relied on. {image}: its values do not look")
    assert without == []
    assert f"case_a: {remark}" in result.output


def test_probabilities_of_another_shape_are_left_out(predictions: Path, tmp_path: Path) -> None:
    np.savez_compressed(predictions / "case_a.npz", probabilities=np.zeros((2, 3, 3, 3), np.float32))
    assert raemd("lesions", "-i", predictions, "-o", tmp_path / "out", "-np", 1).exit_code == 1
    assert "Probabilities are left out" in json_of(tmp_path / "out")["scans"][0]["remarks"][0]
    assert len(rows_of(tmp_path / "out")) == 2


def test_what_cannot_be_done_at_all(tmp_path: Path) -> None:
    out = ("-o", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no segmentation"):
        raemd("lesions", "-i", tmp_path / "empty", *out)
    with pytest.raises(UserError, match="does not exist"):
        raemd("lesions", "-i", tmp_path / "absent", *out)
    with pytest.raises(UserError, match="either -i"):
        raemd("lesions", *out)
    write(EMPTY, tmp_path / "twice" / "a.nii.gz")
    write(EMPTY, tmp_path / "twice" / "a.nrrd")
    with pytest.raises(UserError, match=r"several segmentations would be case a: .*a\.n"):
        raemd("lesions", "-i", tmp_path / "twice", *out)
    assert not (tmp_path / "out").exists()


def test_a_list_in_luna16s_columns(tmp_path: Path) -> None:
    """Places and sizes as in its own annotations, of listed lesions; a scan without a list is named."""
    lesion = {
        "number": 1,
        "label": "nodule",
        "centre_mm": [-128.69942, 10.5, -298.38751],
        "centre_voxel": [1, 2, 3],
        "n_voxels": 9,
        "volume_mm3": 90.0,
        "equivalent_diameter_mm": 5.56,
        "long_axis_mm": 6,
        "short_axis_mm": 5,
        "axial_slice": 1,
        "first_slice": 1,
        "last_slice": 1,
        "continuity": None,
        "max_probability": 0.99,
        "confidence": 0.7,
    }
    others = [lesion | {"number": 2, "confidence": None}, lesion | {"number": 3, "listed": False}]
    scan: dict[str, Any] = {"case_id": "1.3.6", "segmentation": "a", "image": None, "spacing_mm": [1, 1, 1]}
    scan |= {"remarks": [], "unlike_training": [], "lesions": [lesion, *others]}
    content = {"format": "nnunetv2-raemd lesions, version 1", "scans": [scan], "failed": []}
    file = tmp_path / "lesions.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    assert raemd("lesions", "--luna16", file, "-o", tmp_path).exit_code == 0
    with (tmp_path / "luna16.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["probability"]) for row in rows] == [0.7, 0.99]
    assert {row["seriesuid"] for row in rows} == {"1.3.6"}
    assert [float(rows[0][axis]) for axis in ("coordX", "coordY", "coordZ")] == [-128.6994, 10.5, -298.3875]
    assert float(rows[0]["diameter_mm"]) == 5.56
    failed = [{"case_id": "1.3.7", "reason": "cut off"}]
    file.write_text(json.dumps(content | {"failed": failed}), encoding="utf-8")
    result = raemd("lesions", "--luna16", file, "-o", tmp_path)
    assert result.exit_code == 1 and "1.3.7 has no list: cut off" in result.output
    with pytest.raises(UserError, match="does not hold a list of lesions"):
        file.write_text("{}", encoding="utf-8")
        raemd("lesions", "--luna16", file, "-o", tmp_path)
    with pytest.raises(UserError, match="give either"):
        raemd("lesions", "--luna16", file, "-i", tmp_path, "-o", tmp_path)
