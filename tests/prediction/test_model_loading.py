"""A trained model that is loaded to predict with."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_plans import dataset_json
from untrained_model import checkpoint, network, plans, write_model

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


def save_with_origin(folder: Path) -> None:
    """As nnU-Net does: the checkpoint keeps plan and dataset."""
    arguments = {"configuration": "2d", "fold": 0, "plans": plans(), "dataset_json": dataset_json()}
    save(folder, init_args=arguments)


@pytest.mark.parametrize(
    ("name", "place", "value", "named"),
    [
        ("plans.json", ("configurations", "2d", "spacing"), [2.0, 2.0], "2d: spacing is"),
        (
            "plans.json",
            ("configurations", "2d", "normalization_schemes"),
            ["NoNormalization"],
            "normalization",
        ),
        (
            "plans.json",
            ("transpose_forward",),
            [2, 0, 1],
            "transpose_forward is [2, 0, 1], and was [0, 1, 2]",
        ),
        ("plans.json", ("foreground_intensity_properties_per_channel", "0", "mean"), 7.0, "intensity"),
        ("dataset.json", ("labels", "nodule"), 2, "label nodule is 2, and was 1"),
        ("dataset.json", ("labels", "vessel"), 2, "labels have the values 0, 1, 2, and had 0, 1"),
    ],
)
def test_a_plan_or_dataset_of_another_model_is_named(
    folder: Path, name: str, place: tuple[str, ...], value: Any, named: str
) -> None:
    """Each fits the network, and would change its input or the meaning of its output without a word."""
    save_with_origin(folder)
    load_model(MODEL, device=CPU)
    content = json.loads((folder / name).read_text())
    *above, last = place
    part = content
    for key in above:
        part = part[key]
    part[last] = value
    (folder / name).write_text(json.dumps(content))
    with pytest.raises(UserError, match="trained with another plan or dataset") as error:
        load_model(MODEL, device=CPU)
    assert f"({name}: " in str(error.value) and named in str(error.value)


def test_what_changes_nothing_may_be_changed(folder: Path) -> None:
    """Another name of a label or channel, another file ending, a smaller batch."""
    save_with_origin(folder)
    dataset = json.loads((folder / "dataset.json").read_text())
    dataset["labels"] = {"background": 0, "lesion": 1}
    dataset |= {"file_ending": ".mha", "channel_names": {"0": "Thorax CT"}}
    (folder / "dataset.json").write_text(json.dumps(dataset))
    plan = json.loads((folder / "plans.json").read_text())
    plan["configurations"]["2d"]["batch_size"] = 1
    (folder / "plans.json").write_text(json.dumps(plan))
    load_model(MODEL, device=CPU)


@pytest.mark.parametrize("odd", [3, {"configurations": 3}, {"configurations": {"2d": [1]}}, [["x"]]])
def test_a_checkpoint_with_an_odd_plan_is_taken_for_one_without(folder: Path, odd: Any) -> None:
    save(folder, init_args={"configuration": "2d", "plans": odd, "dataset_json": {"labels": [1]}})
    load_model(MODEL, device=CPU)


def test_folds_of_different_trainers_are_refused(folder: Path) -> None:
    (folder / "fold_1").mkdir()
    torch.save(checkpoint(), folder / "fold_1" / "checkpoint_final.pth")
    both = MODEL._replace(folds=("0", "1"))
    load_model(both, device=CPU)
    save(folder, trainer_name="nnUNetTrainerRAEMDDense")
    with pytest.raises(
        UserError, match=r"fold_0.* was trained by nnUNetTrainerRAEMDDense.*fold_1.* by nnUNet"
    ):
        load_model(both, device=CPU)


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
    assert "the trainer nnUNetTrainerUnheardOf is not installed here: install" in message
    assert f"nnUNet_extTrainer (now {searched or 'not set'})" in message
    assert "another network" not in message


@pytest.mark.parametrize("name", ["plans.json", "dataset.json"])
@pytest.mark.parametrize("content", ["", "[]", "{}", "3", "[" * 100_000, '{"configurations": {}}'])
def test_descriptions_that_are_none_are_named(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(UserError, match=name):
        load_model(MODEL, device=CPU)
