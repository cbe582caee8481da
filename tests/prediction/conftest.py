"""Small networks of RAEMD-Net with weights that make every part matter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from nnunetv2_raemd.architecture.raemd_net import RAEMDNet


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def network() -> Callable[..., RAEMDNet]:
    """Makes a network in double precision with random weights."""

    def make(n_recurrent_stages: int = 2, num_classes: int = 2) -> RAEMDNet:
        torch.manual_seed(0)
        made = RAEMDNet(
            2,
            num_classes,
            n_stages=3,
            features_per_stage=[4, 6, 8],
            kernel_sizes=3,
            strides=[1, 2, 2],
            n_conv_per_stage=2,
            n_conv_per_stage_decoder=1,
            n_recurrent_stages=n_recurrent_stages,
        )
        for weight in made.parameters():
            torch.nn.init.normal_(weight, std=0.3)
        return made.double().eval()

    return make
