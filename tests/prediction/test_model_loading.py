"""A trained model that is loaded to predict with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nnunetv2_raemd.architecture.raemd_net import RAEMDNet
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction.model_loading import Model, load_model
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor

MODEL = Model("501", "nnUNetTrainerRAEMD", "nnUNetPlans", "2d", ("0",), "checkpoint_final.pth")


@pytest.fixture
def checkpoint(monkeypatch: pytest.MonkeyPatch, network: Callable[..., RAEMDNet]) -> dict[str, torch.Tensor]:
    """The weights of a fold; the network is compiled, as nnU-Net does with nnUNet_compile."""
    net = network()
    weights = dict(net.state_dict())

    def initialize(self: WholeScanPredictor, *_: Any) -> None:
        self.network, self.list_of_parameters = torch.compile(net), [weights]

    monkeypatch.setattr(Model, "folder", lambda _: Path("folder"))
    monkeypatch.setattr(WholeScanPredictor, "initialize_from_trained_model_folder", initialize)
    return weights


def test_a_network_that_is_compiled_takes_its_weights(checkpoint: dict[str, torch.Tensor]) -> None:
    assert load_model(MODEL, device=torch.device("cpu")).list_of_parameters == [checkpoint]


def test_weights_of_another_network_are_refused(checkpoint: dict[str, torch.Tensor]) -> None:
    checkpoint.popitem()
    with pytest.raises(UserError, match=r"checkpoint_final\.pth is damaged, or of another version"):
        load_model(MODEL, device=torch.device("cpu"))
