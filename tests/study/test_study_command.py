"""What `raemd study` refuses; tests/nnunet runs one with nnU-Net's own command."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from nnunet_workspace import Workspace
from typer.testing import CliRunner

from nnunetv2_raemd.cli import app
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.study.study_run import about_folds, find_trainings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-d", 999, "--table", 3), "does not find dataset 999"),
        (("-d", 501), "--table 3"),
        (("-d", 501, "--table", 3, "-tr", "A"), "--table 3"),
        (("-d", 501, "--table", 7), "3 and 4"),
        (("-d", 501, "-tr", "A__B"), "TRAINER__PLANS__CONFIGURATION"),
        (("-d", 501, "-tr", "A", "--folds", "first"), "--folds first"),
        (("-d", 501, "-tr", "A", "-p", "nnUNetNoPlans"), "nnUNetNoPlans.json does not exist"),
        (("-d", 501, "-tr", "A", "-c", "4d"), "no configuration 4d, only 2d, 3d_fullres"),
        (("-d", 501, "-tr", "A", "--scheduler", "tcp://127.0.0.1:1"), "no scheduler at tcp://127.0.0.1:1"),
    ],
)
def test_bad_options(
    workspace: Workspace, options: tuple[object, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in workspace.variables().items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["study", *map(str, options)])
    assert isinstance(result.exception, UserError)  # which `raemd` prints
    assert message in str(result.exception)


def test_what_is_not_preprocessed_is_told_before_anything_runs(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only of what is to be trained yet: the data of finished trainings may have been removed."""
    source, name = workspace.preprocessed / "Dataset501_Spheres", "Dataset501_Spheres"
    elsewhere = replace(workspace, preprocessed=tmp_path / "preprocessed", results=tmp_path / "results")
    for variable, value in elsewhere.variables().items():
        monkeypatch.setenv(variable, value)
    (elsewhere.preprocessed / name / "nnUNetPlans_2d").mkdir(parents=True)
    shutil.copy(source / "nnUNetPlans.json", elsewhere.preprocessed / name)
    fold = elsewhere.model("A", "3d_fullres") / "fold_0"
    (fold / "validation").mkdir(parents=True)
    (fold / "checkpoint_final.pth").touch()
    (fold / "validation" / "summary.json").touch()

    models = ["A__nnUNetPlans__2d", "A__nnUNetPlans__3d_fullres"]
    assert len(find_trainings("501", models, ["0"])) == 2
    with pytest.raises(UserError, match="nnUNetv2_preprocess with -plans_name nnUNetPlans -c 3d_fullres"):
        find_trainings("501", models, ["0", "1"])


def test_patients_in_training_and_validation_are_told_before_anything_runs(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the folds asked for; folds that the splits lack are left to nnU-Net."""
    name = "Dataset501_Spheres"
    for variable, value in replace(workspace, preprocessed=tmp_path, raw=tmp_path).variables().items():
        monkeypatch.setenv(variable, value)
    (tmp_path / name).mkdir()
    rows = [{"case": case, "patient": case[0]} for case in ("a1", "a2", "b1", "c1")]
    (tmp_path / name / "conversion_report.json").write_text(json.dumps({"cases": rows}))
    splits = [{"train": ["a1", "a2"], "val": ["b1"]}, {"train": ["a1", "b1"], "val": ["a2", "c1"]}]
    assert about_folds("501", ["0", "1"]) == []
    (tmp_path / name / "splits_final.json").write_text(json.dumps(splits))
    assert about_folds("501", ["0", "2", "all"]) == []
    (told,) = about_folds("501", ["0", "1"])
    assert told.startswith(
        "fold 1 has 1 patient in training and validation, as a (trained on a1, validated on a2)"
    )
