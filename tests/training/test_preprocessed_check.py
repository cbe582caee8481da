"""Data that was preprocessed by another plan than the one that it is to be trained by."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from nnunet_workspace import Workspace
from tiny_trainers import CPU, MakeTrainer, nnunet_folder, nnunet_plan, read_json

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.training.baselines import nnUNetTrainerUNet
from nnunetv2_raemd.training.preprocessed_check import changed_since
from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD

DATASET = "Dataset501_Spheres"


def trainer_with(plan: dict[str, Any], trainer: type = nnUNetTrainerRAEMD, configuration: str = "2d") -> Any:
    plan["continue_training"] = False
    return trainer(plan, configuration, 0, read_json(nnunet_folder() / DATASET / "dataset.json"), CPU)


@pytest.mark.parametrize(
    ("trainer", "configuration"), [(nnUNetTrainerRAEMD, "2d"), (nnUNetTrainerUNet, "3d_fullres")]
)
def test_its_own_plan_is_taken(
    make_trainer: MakeTrainer, trainer: type, configuration: str, workspace: Workspace
) -> None:
    made = trainer_with(nnunet_plan(), trainer, configuration)
    made.on_train_start()
    assert "Remark" not in Path(made.log_file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("configuration", "spacing_mm"), [("2d", [1.2, 1.2]), ("3d_fullres", [2.0, 1.0, 1.0])]
)
def test_another_spacing_is_refused(
    make_trainer: MakeTrainer, configuration: str, spacing_mm: list[float]
) -> None:
    plan = copy.deepcopy(nnunet_plan())
    plan["configurations"][configuration]["spacing"] = spacing_mm
    made = trainer_with(plan, configuration=configuration)
    with pytest.raises(UserError, match=r"another plan than nnUNetPlans: it has .* voxels, and would have"):
        made.on_train_start()


def test_another_normalization_is_refused(make_trainer: MakeTrainer) -> None:
    """As after planning again with other cases: values are clipped and shifted otherwise."""
    plan = copy.deepcopy(nnunet_plan())
    of_training = plan["foreground_intensity_properties_per_channel"]["0"]
    of_training["mean"] += 0.2 * (of_training["percentile_99_5"] - of_training["percentile_00_5"])
    with pytest.raises(UserError, match=r"its values reach from .*clips them to"):
        trainer_with(plan).on_train_start()


@pytest.mark.parametrize(
    ("median", "is_told"),
    [(-700.0, False), (40.0, False), (1064.0, True), (-1064.0, True), (float("nan"), False)],
)
def test_images_that_are_no_hu_are_named(make_trainer: MakeTrainer, median: float, is_told: bool) -> None:
    """Images that are all shifted train well, and the network says nothing when it is shown HU."""
    plan = copy.deepcopy(nnunet_plan())
    plan["foreground_intensity_properties_per_channel"]["0"]["median"] = median
    made = trainer_with(plan)
    made.on_train_start()
    log = Path(made.log_file).read_text(encoding="utf-8")
    assert (f"has labels, the median of channel 0 is {median:.0f}, which is no lesion" in log) is is_told


def test_changes_of_the_raw_dataset_are_named(
    make_trainer: MakeTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = tmp_path / DATASET / "labelsTr"
    shutil.copytree(nnunet_folder() / DATASET / "gt_segmentations", labels)
    preprocessed = nnunet_folder() / DATASET
    assert list(changed_since(labels.parent, preprocessed, ".nii.gz")) == []
    first, second, *_ = sorted(labels.iterdir())
    shutil.copyfile(first, labels / "new.nii.gz")
    first.write_bytes(first.read_bytes() + b"changed")
    second.unlink()
    monkeypatch.setenv("nnUNet_raw", str(tmp_path))
    made = trainer_with(nnunet_plan())
    made.on_train_start()
    log = Path(made.log_file).read_text(encoding="utf-8")
    for what, name in (("added", "new.nii.gz"), ("removed", second.name), ("changed", first.name)):
        assert f"Remark: 1 label of {labels.parent} {what} since it was preprocessed, as {name}" in log


@pytest.mark.parametrize("shared", [False, True])
def test_patients_in_training_and_validation_are_named(
    make_trainer: MakeTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    monkeypatch.setenv("nnUNet_raw", str(tmp_path))
    made = trainer_with(nnunet_plan())
    training, validation = made.do_split()
    patients = {case: "P" if shared and case in (training[0], validation[0]) else case for case in validation}
    patients |= {case: "P" if shared and case == training[0] else case for case in training}
    rows = [{"case": case, "patient": patient} for case, patient in patients.items()]
    (tmp_path / DATASET).mkdir()
    (tmp_path / DATASET / "conversion_report.json").write_text(json.dumps({"cases": rows}))
    made.on_train_start()
    remark = (
        "Remark: 1 patient in training and validation, as P "
        f"(trained on {training[0]}, validated on {validation[0]})"
    )
    assert (remark in Path(made.log_file).read_text(encoding="utf-8")) is shared


def test_without_a_raw_dataset_nothing_is_said(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    assert list(changed_since(tmp_path, nnunet_folder() / DATASET, ".nii.gz")) == []
