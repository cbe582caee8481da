"""Exported models that torch runs without their trainer, and those that it must not run without it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from small_plans import plan, raemd_arguments
from tiny_models import network_of_plan, source_model
from torch import nn

from nnunetv2_raemd.api import load_model
from nnunetv2_raemd.deployment.export_choices import ExportOptions
from nnunetv2_raemd.deployment.model_description import FILE_NAME, GraphFormat, read_description
from nnunetv2_raemd.deployment.model_export import export_model
from nnunetv2_raemd.deployment.plan_agreement import is_of_plan
from nnunetv2_raemd.deployment.source_model import SourceModel
from nnunetv2_raemd.errors import UserError

ELSEWHERE = "nnUNetTrainerOfAnotherHospital"


def without_slope(
    plans: PlansManager, configuration: ConfigurationManager, n_channels: int, heads: int
) -> nn.Module:
    """The plan's network with other nonlinearities: its weights fit the plan's, its results do not."""
    network = network_of_plan(plans, configuration, n_channels, heads)
    for module in network.modules():
        if isinstance(module, nn.LeakyReLU):
            module.negative_slope = 0.0
    return network


def of_another_trainer(**network: object) -> SourceModel:
    return source_model(plan(raemd_arguments()), trainer=ELSEWHERE, **network)  # type: ignore[arg-type]


def test_a_model_runs_where_its_trainer_is_not_installed(tmp_path: Path) -> None:
    source = of_another_trainer()
    export_model(source, tmp_path / "model", ExportOptions(GraphFormat.NONE))
    assert read_description(tmp_path / "model").of_plan
    model = load_model(tmp_path / "model", backend="torch", threads=1)
    image = torch.rand(1, 1, 4, 24, 24)
    with torch.inference_mode():
        assert torch.equal(model.predictor.first_network()(image), source.network(image))


def test_another_network_with_the_same_weights_is_told_from_the_plans(tmp_path: Path) -> None:
    source = of_another_trainer(trainers_network=without_slope)
    assert is_of_plan(of_another_trainer())
    assert not is_of_plan(source)
    export_model(source, tmp_path / "model", ExportOptions(GraphFormat.NONE))
    with pytest.raises(UserError, match=f"trainer {ELSEWHERE} is not installed here: use --backend"):
        load_model(tmp_path / "model", backend="torch")


def test_a_folder_that_does_not_say_so_is_left_to_its_trainer(tmp_path: Path) -> None:
    """As exported before this was looked at."""
    folder = tmp_path / "model"
    export_model(of_another_trainer(), folder, ExportOptions(GraphFormat.NONE))
    file = folder / FILE_NAME
    content = json.loads(file.read_text(encoding="utf-8"))
    del content["of_plan"], content["checksum"]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["checksum"] = hashlib.sha256(text.encode()).hexdigest()
    file.write_text(json.dumps(content), encoding="utf-8")
    assert not read_description(folder).of_plan
