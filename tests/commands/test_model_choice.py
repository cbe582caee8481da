"""Which model the options of `raemd predict` name."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from untrained_model import write_model

from nnunetv2_raemd.commands.model_choice import ModelChoice
from nnunetv2_raemd.deployment.exported_model import ExportedModel
from nnunetv2_raemd.prediction.trained_model import TrainedFolder


def test_a_trained_models_folder_as_nnunetv2_predict_from_modelfolder_takes_it(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    chosen = ModelChoice(folder=folder, folds=["0"]).model()
    assert chosen == TrainedFolder(folder, ("0",), "checkpoint_final.pth")
    assert chosen.folder() == folder


def test_an_exported_models_folder(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}", encoding="utf-8")
    (tmp_path / "plans.json").write_text("{}", encoding="utf-8")
    assert isinstance(ModelChoice(folder=tmp_path).model(), ExportedModel)


def test_a_folder_and_names_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="leave out -d and -c"):
        ModelChoice(folder=tmp_path, dataset="501").model()
