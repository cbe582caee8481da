"""A trained model that is loaded to predict with."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from untrained_model import checkpoint, network, write_model

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction.model_loading import load_model
from nnunetv2_raemd.prediction.nnunet_predictor import AnyNetworkPredictor
from nnunetv2_raemd.prediction.predictor import uncompiled
from nnunetv2_raemd.prediction.trained_model import Model

MODEL = Model("601", "nnUNetTrainerRAEMD", "nnUNetPlans", "2d", ("0",), "checkpoint_final.pth")
CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = write_model(tmp_path)
    monkeypatch.setattr(Model, "folder", lambda _: made)
    return made


def save(folder: Path, **changed: Any) -> None:
    torch.save(checkpoint() | changed, folder / "fold_0" / "checkpoint_final.pth")


def test_the_weights_are_those_of_the_checkpoint(folder: Path) -> None:
    found = load_model(MODEL, device=CPU)
    torch.testing.assert_close(dict(found.network.state_dict()), dict(network().state_dict()), rtol=0, atol=0)
    assert found.allowed_mirroring_axes == (1, 2)


def test_a_network_that_is_compiled_takes_its_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("nnUNet_compile", "true")
    found = load_model(MODEL, device=CPU)
    assert uncompiled(found.network) is not found.network
    assert isinstance(found, AnyNetworkPredictor)
    torch.testing.assert_close(found.list_of_parameters[0], network().state_dict(), rtol=0, atol=0)


class Touch:
    """Makes a folder when it is unpickled, which is the least that an attacker can do."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.file),)


def test_code_in_a_checkpoint_runs_only_where_it_is_trusted(folder: Path) -> None:
    mark = folder / "code_was_run"
    save(folder, logging=Touch(mark))
    with pytest.raises(UserError, match=r"checkpoint_final\.pth was not opened, because"):
        load_model(MODEL, device=CPU)
    assert not mark.exists()
    load_model(MODEL, trust_checkpoint=True, device=CPU)
    assert mark.exists()


def test_code_in_a_plan_is_not_run(folder: Path) -> None:
    plans = json.loads((folder / "plans.json").read_text())
    architecture = plans["configurations"]["2d"]["architecture"]
    architecture["network_class_name"] = "subprocess.Popen"
    (folder / "plans.json").write_text(json.dumps(plans))
    with pytest.raises(UserError, match=r"plans\.json was not used, because it may run code"):
        load_model(MODEL, device=CPU)


def without_a_weight() -> dict[str, torch.Tensor]:
    weights = dict(network().state_dict())
    weights.popitem()
    return weights


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"network_weights": without_a_weight()}, "of another network than plans.json"),
        ({"network_weights": {}}, "of another network than plans.json"),
        ({"network_weights": [torch.zeros(2)]}, "network_weights is of the type list"),
        ({"init_args": {"configuration": "5d"}}, "5d"),
    ],
)
def test_what_does_not_belong_together_is_refused(folder: Path, changed: dict[str, Any], named: str) -> None:
    save(folder, **changed)
    with pytest.raises(UserError, match=named):
        load_model(MODEL, device=CPU)


@pytest.mark.parametrize("trust_checkpoint", [False, True])
@pytest.mark.parametrize("searched", ["/a/folder", None])
def test_a_trainer_that_is_not_installed_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, searched: str | None, trust_checkpoint: bool
) -> None:
    """nnU-Net looks for it in the folders that the variable names, which another shell may not have set."""
    if searched is None:
        monkeypatch.delenv("nnUNet_extTrainer", raising=False)
    else:
        monkeypatch.setenv("nnUNet_extTrainer", searched)
    save(folder, trainer_name="nnUNetTrainerUnheardOf")
    with pytest.raises(UserError, match="cannot be loaded") as error:
        load_model(MODEL, trust_checkpoint=trust_checkpoint, device=CPU)
    message = str(error.value)
    assert "with the trainer nnUNetTrainerUnheardOf, which is not installed here: install" in message
    assert f"nnUNet_extTrainer (now {searched or 'not set'})" in message
    assert "another network" not in message


@pytest.mark.parametrize("name", ["plans.json", "dataset.json"])
@pytest.mark.parametrize("content", ["", "[]", "{}", "3", "[" * 100_000, '{"configurations": {}}'])
def test_descriptions_that_are_none_are_named(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(UserError, match=name):
        load_model(MODEL, device=CPU)
