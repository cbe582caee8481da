"""The commands of nnU-Net that a user runs, with RAEMD-Net's trainer."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from nnunet_models import SEQUENTIALLY
from nnunet_workspace import Workspace
from nnunetv2.evaluation.find_best_configuration import find_best_configuration_entry_point
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor, predict_entry_point
from nnunetv2.model_sharing.entry_points import export_pretrained_model_entry, install_from_zip_entry_point
from nnunetv2.run.run_training import run_training_entry

pytestmark = pytest.mark.slow

RAEMD = "nnUNetTrainerRAEMD_tiny"
STOCK = "nnUNetTrainer_tiny"
TRAIN = (501, "2d", 0, "-tr", RAEMD, "-device", "cpu")
PREDICT = ("-d", 501, "-c", "2d", "-tr", RAEMD, "-f", 0, "-device", "cpu", "--disable_progress_bar")


def read_labels(file: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(file)))


def read_json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def test_the_model_holds_a_raemd_plan(raemd_model: Path) -> None:
    """Which prediction, validation and the model zip read, so that no -p is needed."""
    configuration = read_json(raemd_model / "plans.json")["configurations"]["2d"]
    assert configuration["architecture"]["network_class_name"].endswith(".RAEMDNet")
    assert configuration["patch_size"] == [8, 40, 40]  # 20 mm
    assert configuration["spacing"] == [1.0, 1.0]
    strides = configuration["architecture"]["arch_kwargs"]["strides"]
    assert strides == [[1, 1, 1], [1, 2, 2], [1, 2, 2], [1, 2, 2]]


def test_nnunets_own_plan_is_not_touched(workspace: Workspace, raemd_model: Path) -> None:
    plan = read_json(workspace.preprocessed / "Dataset501_Spheres" / "nnUNetPlans.json")
    assert plan["configurations"]["2d"]["patch_size"] == [40, 40]
    assert raemd_model.is_dir()


def test_training_leaves_checkpoints_validation_and_a_log(
    workspace: Workspace, raemd_model: Path, training_output: str
) -> None:
    fold = raemd_model / "fold_0"
    assert {file.name for file in fold.glob("checkpoint*")} == {"checkpoint_best.pth", "checkpoint_final.pth"}
    validation = {file.name.split(".")[0] for file in (fold / "validation").glob("*.npz")}
    split = read_json(workspace.preprocessed / "Dataset501_Spheres" / "splits_final.json")[0]
    assert validation == set(split["val"])
    assert 0 <= read_json(fold / "validation" / "summary.json")["foreground_mean"]["Dice"] <= 1
    (log,) = fold.glob("training_log_*.txt")
    for text in (log.read_text(encoding="utf-8"), training_output):
        assert "Epoch 1" in text
        assert "Current learning rate: 0.001" in text


def test_predictions_lie_where_the_scans_do(new_scans: Path, predictions: Path) -> None:
    scans = sorted(new_scans.glob("*.nii.gz"))
    assert len(scans) == 3
    for file in scans:
        scan = sitk.ReadImage(str(file))
        prediction = sitk.ReadImage(str(predictions / file.name.replace("_0000", "")))
        assert prediction.GetSize() == scan.GetSize()
        for geometry in ("GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(getattr(prediction, geometry)(), getattr(scan, geometry)(), atol=1e-5)
        assert set(np.unique(sitk.GetArrayFromImage(prediction))) <= {0, 1}


def test_prediction_mirrors_in_plane_only(
    workspace: Workspace, raemd_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("nnUNet_extTrainer", workspace.variables()["nnUNet_extTrainer"])
    predictor = nnUNetPredictor(device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(str(raemd_model), (0,))
    assert predictor.allowed_mirroring_axes == (1, 2)


def test_an_exported_model_predicts_the_same_elsewhere(
    workspace: Workspace, raemd_model: Path, new_scans: Path, predictions: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "model.zip"
    elsewhere = replace(
        workspace, results=tmp_path / "results", preprocessed=tmp_path / "nothing", raw=tmp_path
    )
    exported = ("-d", 501, "-o", archive, "-c", "2d", "-tr", RAEMD, "-f", 0)
    workspace.run_here(export_pretrained_model_entry, *exported)
    elsewhere.run_here(install_from_zip_entry_point, archive)
    assert elsewhere.model(RAEMD, "2d").is_dir()
    output = tmp_path / "predictions"
    elsewhere.run_here(predict_entry_point, "-i", new_scans, "-o", output, *PREDICT, *SEQUENTIALLY)
    files = sorted(predictions.glob("*.nii.gz"))
    assert len(files) == 3
    for file in files:
        np.testing.assert_array_equal(read_labels(output / file.name), read_labels(file))


def test_find_best_configuration_compares_with_nnunets_trainer(
    workspace: Workspace, raemd_model: Path, stock_model: Path
) -> None:
    options = ("-c", "2d", "-tr", RAEMD, STOCK, "-f", 0, "-np", 1)
    workspace.run_here(find_best_configuration_entry_point, 501, *options)
    results = read_json(workspace.results / "Dataset501_Spheres" / "inference_information.json")[
        "all_results"
    ]
    for model in (raemd_model, stock_model):
        summary = read_json(model / "fold_0" / "validation" / "summary.json")
        assert results[model.name] == pytest.approx(summary["foreground_mean"]["Dice"])
    (ensemble,) = results.keys() - {raemd_model.name, stock_model.name}
    assert ensemble.startswith("ensemble")


def test_validation_alone_repeats_the_validation(
    workspace: Workspace, raemd_model: Path, tmp_path: Path
) -> None:
    copied = copy_results(workspace, raemd_model, tmp_path)
    validation = copied.model(RAEMD, "2d") / "fold_0" / "validation"
    shutil.rmtree(validation)
    copied.run_here(run_training_entry, *TRAIN, "--val")
    files = sorted((raemd_model / "fold_0" / "validation").glob("*.nii.gz"))
    assert files
    for file in files:
        np.testing.assert_array_equal(read_labels(validation / file.name), read_labels(file))


def test_validation_with_the_best_checkpoint(workspace: Workspace, raemd_model: Path, tmp_path: Path) -> None:
    """A best checkpoint is made that predicts foreground everywhere: the validation must show it."""
    copied = copy_results(workspace, raemd_model, tmp_path)
    fold = copied.model(RAEMD, "2d") / "fold_0"
    checkpoint = torch.load(fold / "checkpoint_best.pth", weights_only=False)
    weights = checkpoint["network_weights"]
    for name in [name for name in weights if ".seg_layers." in name and name.endswith("bias")]:
        weights[name] = torch.tensor([-1e3, 1e3])
    torch.save(checkpoint, fold / "checkpoint_best.pth")
    copied.run_here(run_training_entry, *TRAIN, "--val", "--val_best")
    files = sorted((fold / "validation").glob("*.nii.gz"))
    assert files
    assert all((read_labels(file) == 1).all() for file in files)


def copy_results(workspace: Workspace, model: Path, folder: Path) -> Workspace:
    """A workspace whose results are a copy, to be changed at will."""
    copied = replace(workspace, results=folder / "results")
    shutil.copytree(model, copied.model(RAEMD, "2d"))
    return copied


def test_pretrained_weights_are_taken_over_but_for_the_heads(
    workspace: Workspace, raemd_model: Path, tmp_path: Path
) -> None:
    """With a trainer that trains no epoch and saves what it would have started from; fold `all`."""
    elsewhere = replace(workspace, results=tmp_path)
    pretrained = raemd_model / "fold_0" / "checkpoint_final.pth"
    trainer = "nnUNetTrainerRAEMD_untrained"
    options = ("-tr", trainer, "-device", "cpu", "-pretrained_weights", pretrained)
    elsewhere.run_here(run_training_entry, 501, "2d", "all", *options)
    fold = elsewhere.model(trainer, "2d") / "fold_all"
    before, after = (
        torch.load(file, weights_only=False)["network_weights"]
        for file in (pretrained, fold / "checkpoint_final.pth")
    )
    assert before.keys() == after.keys()
    heads = {name for name in before if ".seg_layers." in name and name.endswith("weight")}
    assert heads
    for name in before:
        if ".seg_layers." not in name:
            assert torch.equal(before[name], after[name]), name
        elif name in heads:
            assert not torch.equal(before[name], after[name]), name
    assert len(list((fold / "validation").glob("*.nii.gz"))) == 6  # all cases
