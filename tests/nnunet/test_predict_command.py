"""`raemd predict` on a model that nnU-Net's own command has trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from nnunet_models import PREDICT, SEQUENTIALLY, volume
from nnunet_workspace import Workspace, write_volume
from nnunetv2.inference.sliding_window_prediction import compute_gaussian


@pytest.fixture(scope="module")
def whole_scan_predictions(
    workspace: Workspace, raemd_model: Path, new_scans: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    output = tmp_path_factory.mktemp("whole_scan") / "new_folder"
    arguments = ("-i", new_scans, "-o", output, "-d", 501, *PREDICT, *SEQUENTIALLY, "--save_probabilities")
    finished = workspace.raemd("predict", *arguments)
    assert finished.returncode == 0, finished.stdout
    return output


def test_the_files_are_those_of_nnunetv2_predict(
    whole_scan_predictions: Path, predictions: Path, new_scans: Path
) -> None:
    ours = {file.name for file in whole_scan_predictions.iterdir()}
    probabilities = {f"{n}.{e}" for n in ("usual", "few_slices", "one_slice") for e in ("npz", "pkl")}
    lists = {f"{n}.lesions.json" for n in ("usual", "few_slices", "one_slice")}
    lists |= {"lesions.csv", "lesions.json"}
    assert ours == {file.name for file in predictions.iterdir()} | probabilities | lists
    for scan in new_scans.glob("*.nii.gz"):
        wanted = sitk.ReadImage(str(scan))
        got = sitk.ReadImage(str(whole_scan_predictions / scan.name.replace("_0000", "")))
        np.testing.assert_allclose(got.GetOrigin(), wanted.GetOrigin(), atol=1e-4)
        assert got.GetSize() == wanted.GetSize()
        assert got.GetDirection() == wanted.GetDirection()


def test_a_scan_of_one_window_is_predicted_as_by_nnunetv2_predict(
    whole_scan_predictions: Path, predictions: Path, raemd_model: Path
) -> None:
    plan = json.loads((raemd_model / "plans.json").read_text(encoding="utf-8"))
    window = plan["configurations"]["2d"]["patch_size"]
    weight = compute_gaussian(tuple(window), dtype=torch.float32, device=torch.device("cpu")).numpy()
    for case in ("few_slices", "one_slice"):  # shorter than T: both run the network on the same padded window
        ours, stock = (
            sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{case}.nii.gz")))
            for folder in (whole_scan_predictions, predictions)
        )
        with np.load(whole_scan_predictions / f"{case}.npz") as file:
            nodule = file["probabilities"][1]
        # nnU-Net multiplies by a weight in half precision and divides by it again: coarse where it is small
        before = (window[0] - len(ours)) // 2
        told = weight[before : before + len(ours)] > 0.05 * weight.max()
        assert told.mean() > 0.05
        # elsewhere, both classes are as likely where the labels differ
        np.testing.assert_allclose(nodule[told & (ours != stock)], 0.5, atol=0.01)


@pytest.fixture
def scans_with_bad_ones(tmp_path: Path) -> Path:
    """Two good scans, one that is no image, one without channel number, one that is cut off."""
    folder = tmp_path / "scans"
    image = volume((9, 40, 40))
    for name in ("a_good", "b_good", "z_cut_off"):
        write_volume(image, folder / f"{name}_0000.nii.gz")
    (folder / "no_image_0000.nii.gz").write_bytes(b"no image")
    shutil.copyfile(folder / "a_good_0000.nii.gz", folder / "unnumbered.nii.gz")
    cut_off = folder / "z_cut_off_0000.nii.gz"
    cut_off.write_bytes(cut_off.read_bytes()[:20_000])
    return folder


@pytest.mark.parametrize("processes", [1, 0])
def test_bad_scans_are_named_and_the_others_predicted(
    workspace: Workspace, raemd_model: Path, scans_with_bad_ones: Path, tmp_path: Path, processes: int
) -> None:
    output = tmp_path / "out"
    arguments = [
        "-i",
        scans_with_bad_ones,
        "-o",
        output,
        "-d",
        501,
        *PREDICT,
        "-npp",
        processes,
        "-nps",
        processes,
    ]
    finished = workspace.raemd("predict", *arguments)
    assert finished.returncode == 1
    assert {file.name for file in output.glob("*.nii.gz")} == {"a_good.nii.gz", "b_good.nii.gz"}
    report = finished.stdout[finished.stdout.index("not everything could be done") :]
    for bad in ("no_image_0000.nii.gz", "unnumbered.nii.gz", "z_cut_off_0000.nii.gz is cut off"):
        assert bad in report
    assert "Traceback" not in finished.stdout


def test_parts_share_the_cases_also_without_processes(
    workspace: Workspace, raemd_model: Path, new_scans: Path, tmp_path: Path
) -> None:
    single = ("-npp", 0, "-nps", 0, "-num_parts", 2, "--disable_tta")
    for part, cases in enumerate([{"few_slices", "usual"}, {"one_slice"}]):
        output = tmp_path / f"part_{part}"
        arguments = ("-i", new_scans, "-o", output, "-d", 501, *PREDICT, *single, "-part_id", part)
        assert workspace.raemd("predict", *arguments).returncode == 0
        assert {file.name.removesuffix(".nii.gz") for file in output.glob("*.nii.gz")} == cases


@pytest.fixture
def damaged_checkpoint(raemd_model: Path) -> Iterator[Path]:
    """A file beside the trained ones, which other tests count."""
    file = raemd_model / "fold_0" / "checkpoint_damaged.pth"
    file.write_bytes(b"damaged")
    yield file
    file.unlink()


def test_a_damaged_checkpoint_is_named(
    workspace: Workspace, damaged_checkpoint: Path, new_scans: Path, tmp_path: Path
) -> None:
    arguments = ("-i", new_scans, "-o", tmp_path / "out", "-d", 501, *PREDICT)
    finished = workspace.raemd("predict", *arguments, "-chk", damaged_checkpoint.name)
    assert finished.returncode == 1
    assert "checkpoint_damaged.pth is not a checkpoint, or is cut off" in finished.stdout
    assert "Traceback" not in finished.stdout


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (("-tr", "nnUNetTrainerUnknown"), "no trained model"),
        (("-f", "0", "3"), "fold_3"),
        (("-d", "909"), "909"),
        (("-d", "Lungs"), "Dataset Lungs"),
        (("-chk", "checkpoint_none.pth"), "checkpoint_none.pth is missing"),
        (("-device", "cuda"), "CUDA"),
        (("-prev_stage_predictions", "."), "does not belong to a cascade"),
    ],
)
def test_what_is_missing_is_named(
    workspace: Workspace,
    raemd_model: Path,
    new_scans: Path,
    tmp_path: Path,
    changed: tuple[str, ...],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    arguments = ["-i", new_scans, "-o", tmp_path / "out", "-d", 501, *PREDICT, *changed]
    finished = workspace.raemd("predict", *arguments)
    assert finished.returncode == 1
    assert named in finished.stdout
    assert "Traceback" not in finished.stdout
    assert not (tmp_path / "out").exists()
