"""A real CT (LUNG1-002 of NSCLC-Radiomics) from DICOM to a prediction, all through the commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from nnunet_models import SEQUENTIALLY
from nnunet_workspace import PLANNER, PREPROCESS, Workspace
from nnunetv2.experiment_planning.plan_and_preprocess_entrypoints import plan_and_preprocess_entry
from nnunetv2.inference.predict_from_raw_data import predict_entry_point
from nnunetv2.run.run_training import run_training_entry

TRAINER = "nnUNetTrainerRAEMD_unvalidated"
PLANS = "nnUNetSmallPlans"
SLICES = slice(48, 64)  # with the tumor; all of them would take minutes


def shrink_plan(folder: Path) -> None:
    """nnU-Net's plan for slices of 512 x 512 pixels with few features."""
    plan = json.loads((folder / "nnUNetPlans.json").read_text())
    configuration = plan["configurations"]["2d"]
    assert configuration["patch_size"] == [512, 512]
    arguments = configuration["architecture"]["arch_kwargs"]
    arguments["features_per_stage"] = [4, *[8] * (arguments["n_stages"] - 1)]
    plan["plans_name"] = PLANS
    (folder / f"{PLANS}.json").write_text(json.dumps(plan))


@pytest.mark.slow
def test_from_dicom_to_a_prediction(real_data: Path, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "raw", tmp_path / "preprocessed", tmp_path / "results")
    archive = real_data / "nsclc-radiomics"
    convert = ("convert", "nsclc-radiomics", "-i", archive, "-d", 502, "--folds", 2, "-np", 1)
    assert workspace.raemd(*convert).returncode == 0
    dataset = workspace.raw / "Dataset502_NSCLCRadiomics"
    (image_file,) = (dataset / "imagesTr").iterdir()
    (label_file,) = (dataset / "labelsTr").iterdir()
    assert image_file.name == "LUNG1-002_0000.nii.gz"
    assert (sitk.GetArrayViewFromImage(sitk.ReadImage(str(label_file))) == 1).sum() == 125_531
    for file in (image_file, label_file):
        sitk.WriteImage(sitk.ReadImage(str(file))[:, :, SLICES], str(file))
    assert sitk.GetArrayViewFromImage(sitk.ReadImage(str(label_file))).any()

    workspace.run_here(plan_and_preprocess_entry, *PREPROCESS, "-d", 502, "-c", "2d", **PLANNER)
    shrink_plan(workspace.preprocessed / dataset.name)
    model = ("-tr", TRAINER, "-p", PLANS)
    workspace.run_here(run_training_entry, 502, "2d", "all", *model, "-device", "cpu")
    folders = ("-i", image_file.parent, "-o", tmp_path / "out")
    cpu = ("-device", "cpu", "--disable_tta", "-step_size", 1.0)
    options = ("-d", 502, "-c", "2d", *model, "-f", "all", *cpu)
    workspace.run_here(predict_entry_point, *folders, *options, *SEQUENTIALLY)
    image = sitk.ReadImage(str(image_file))
    prediction = sitk.ReadImage(str(tmp_path / "out" / "LUNG1-002.nii.gz"))
    assert prediction.GetSize() == image.GetSize()
    assert prediction.GetSpacing() == pytest.approx(image.GetSpacing())
    assert prediction.GetOrigin() == pytest.approx(image.GetOrigin())
    assert prediction.GetDirection() == pytest.approx(image.GetDirection())
    assert set(np.unique(sitk.GetArrayViewFromImage(prediction))) <= {0, 1}
