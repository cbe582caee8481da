"""Files that rest on the validation of trainings, once a fold is trained again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from untrained_model import checkpoint, write_model

from nnunetv2_raemd.confidence.calibration import Calibration
from nnunetv2_raemd.confidence.calibration_file import load_calibration, save_calibration
from nnunetv2_raemd.deployment.nnunet_source import load_source
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.training_identity import check_same_trainings, training_identities
from nnunetv2_raemd.prediction.trained_model import Model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of one fold, and a file beside it that rests on its validation."""
    return write_model(tmp_path)


def train_again(model: Path) -> None:
    """The same network, with one weight of another value."""
    again = checkpoint()
    next(iter(again["network_weights"].values())).view(-1)[0] += 1e-3
    torch.save(again, model / "fold_0" / "checkpoint_final.pth")


def test_a_copy_is_the_same_training_and_one_weight_makes_another(model: Path, tmp_path: Path) -> None:
    then = training_identities(model, ["0", "1"])
    assert then.keys() == {"0"}
    copied = shutil.copytree(model, tmp_path / "elsewhere" / model.name)
    torch.save(checkpoint(), copied / "fold_0" / "checkpoint_final.pth")  # the same values, at another time
    check_same_trainings(then, copied / "file.json", "raemd calibrate")
    train_again(copied)
    with pytest.raises(UserError, match=r"file\.json was made from another training of fold 0 than the one"):
        check_same_trainings(then, copied / "file.json", "raemd calibrate")
    shutil.rmtree(copied / "fold_0")  # as in an exported model: nothing is known
    check_same_trainings(then, copied / "file.json", "raemd calibrate")


def test_a_calibration_does_not_outlive_its_training(model: Path) -> None:
    file = model / "calibration_raemd.json"
    known = Calibration(("0",), ("a",), (), None, training_identities(model, ["0"]))
    save_calibration(known, file)
    assert load_calibration(file) == known
    train_again(model)
    with pytest.raises(UserError, match="run raemd calibrate again"):
        load_calibration(file)


def test_a_calibration_of_an_older_version_tells_no_training(model: Path) -> None:
    file = model / "calibration_raemd.json"
    save_calibration(Calibration(("0",), ("a",), (), None), file)
    content = json.loads(file.read_text(encoding="utf-8"))
    del content["trainings"]
    file.write_text(json.dumps(content), encoding="utf-8")
    assert load_calibration(file).trainings == {}


def test_postprocessing_does_not_outlive_its_training(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {"labels": [], "trainings": training_identities(model, ["0"])}
    (model / "postprocessing_raemd.json").write_text(json.dumps(chosen), encoding="utf-8")
    monkeypatch.setattr(Model, "folder", lambda _: model)
    source = Model("601", "nnUNetTrainerRAEMD", "nnUNetPlans", "2d", ("0",), "checkpoint_final.pth")
    assert load_source(source).postprocessing == chosen
    train_again(model)
    with pytest.raises(UserError, match="run raemd postprocess determine again"):
        load_source(source)
