"""`raemd predict` on a model that nnU-Net's own command has trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import PREDICT
from nnunet_workspace import Workspace


@pytest.fixture(scope="module")
def whole_scan_predictions(
    workspace: Workspace, raemd_model: Path, new_scans: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    output = tmp_path_factory.mktemp("whole_scan") / "new_folder"
    arguments = ("-i", new_scans, "-o", output, "-d", 501, *PREDICT, "--save_probabilities")
    workspace.run("raemd", "predict", *arguments)
    return output


def test_the_files_are_those_of_nnunetv2_predict(
    whole_scan_predictions: Path, predictions: Path, new_scans: Path
) -> None:
    ours = {file.name for file in whole_scan_predictions.iterdir()}
    probabilities = {f"{n}.{e}" for n in ("usual", "few_slices", "one_slice") for e in ("npz", "pkl")}
    assert ours == {file.name for file in predictions.iterdir()} | probabilities
    for scan in new_scans.glob("*.nii.gz"):
        wanted = sitk.ReadImage(str(scan))
        got = sitk.ReadImage(str(whole_scan_predictions / scan.name.replace("_0000", "")))
        np.testing.assert_allclose(got.GetOrigin(), wanted.GetOrigin(), atol=1e-4)
        assert got.GetSize() == wanted.GetSize()
        assert got.GetDirection() == wanted.GetDirection()


def test_a_scan_of_one_window_is_predicted_as_by_nnunetv2_predict(
    whole_scan_predictions: Path, predictions: Path
) -> None:
    for case in ("few_slices", "one_slice"):  # shorter than T: both run the network on the same padded window
        ours, stock = (
            sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{case}.nii.gz")))
            for folder in (whole_scan_predictions, predictions)
        )
        # ties between classes may fall either way in half precision
        assert np.count_nonzero(ours != stock) <= 0.005 * ours.size


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (("-tr", "nnUNetTrainerUnknown"), "no trained model"),
        (("-f", "0", "3"), "fold_3"),
        (("-d", "909"), "909"),
        (("-chk", "checkpoint_none.pth"), "checkpoint_none.pth is missing"),
        (("-device", "cuda"), "CUDA"),
    ],
)
def test_what_is_missing_is_named(
    workspace: Workspace,
    raemd_model: Path,
    new_scans: Path,
    tmp_path: Path,
    changed: tuple[str, ...],
    named: str,
) -> None:
    arguments = ["-i", new_scans, "-o", tmp_path / "out", "-d", 501, *PREDICT, *changed]
    finished = workspace.attempt("raemd", "predict", *arguments, CUDA_VISIBLE_DEVICES="")
    assert finished.returncode == 1
    assert named in finished.stdout
    assert "Traceback" not in finished.stdout
    assert not (tmp_path / "out").exists()
