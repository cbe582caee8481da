"""Training steps in bfloat16 on processors that have it: what is computed in it and what is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from tiny_trainers import MakeTrainer
from torch import nn

from nnunetv2_raemd.training import mixed_precision
from nnunetv2_raemd.training.averaged_adamw import AveragedAdamW
from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD

CPU = torch.device("cpu")


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A processor that has the instructions of those names, and no others."""

    def have(*names: str) -> None:
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
            monkeypatch.setattr(torch.cpu, name, lambda name=name: name in names, raising=False)

    return have


def product_type(device: torch.device, network: nn.Module | None = None) -> torch.dtype:
    with mixed_precision.mixed_precision(network or nn.Conv2d(1, 1, 1), device):
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


@pytest.mark.parametrize("instructions", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_with_instructions_for_it_only(processor: Callable[..., None], instructions: str) -> None:
    processor(instructions)
    assert product_type(CPU) == torch.bfloat16
    assert product_type(torch.device("cuda")) == torch.float32, "nnU-Net chooses there"
    processor()
    assert product_type(CPU) == torch.float32


@pytest.mark.parametrize("layer", [nn.Conv3d(1, 1, 1), nn.ConvTranspose3d(1, 1, 1)])
def test_networks_with_3d_convolutions_stay_in_single_precision(
    processor: Callable[..., None], layer: nn.Module
) -> None:
    """torch 2.14's gradient of a 3 x 3 x 3 kernel, in bfloat16 on images two voxels deep, is not a number."""
    processor("_is_avx512_bf16_supported")
    assert product_type(CPU, nn.Sequential(nn.Conv2d(1, 1, 1), layer)) == torch.float32


def test_a_torch_that_cannot_tell_computes_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert product_type(CPU) == torch.float32


class Watched(nnUNetTrainerRAEMD):
    """Notes the precision of the logits of every step."""

    logits: list[torch.dtype]

    def initialize(self) -> None:
        super().initialize()
        self.logits = []
        self.network.register_forward_hook(lambda _network, _input, out: self.logits.append(out[0].dtype))


def trained_for_a_step(make_trainer: MakeTrainer) -> tuple[nnUNetTrainer, dict[str, Any], dict[str, Any]]:
    torch.manual_seed(0)
    trainer = make_trainer(Watched)
    trainer.initialize()
    trainer.set_deep_supervision_enabled(True)
    n_slices, *in_plane = trainer.configuration_manager.patch_size
    image = torch.randn((2, 1, n_slices, *in_plane))
    lesion = (image > 1).float()
    scales = [1, *(2**level for level in range(1, len(trainer.network.decoder.stages)))]
    batch = {"data": image, "target": [lesion[..., ::scale, ::scale] for scale in scales]}
    for group in trainer.optimizer.param_groups:
        group["lr"] = 0.0
    trainer.network.train()
    trainer.current_epoch = 1
    step = trainer.train_step(batch)
    return trainer, step, trainer.validation_step(batch)


def gradient(trainer: nnUNetTrainer) -> torch.Tensor:
    gradients = [weight.grad.flatten() for weight in trainer.network.parameters() if weight.grad is not None]
    return torch.cat(gradients)


def test_a_step_is_that_of_single_precision_but_for_rounding(
    make_trainer: MakeTrainer, processor: Callable[..., None]
) -> None:
    processor()
    single, single_step, single_validation = trained_for_a_step(make_trainer)
    processor("_is_avx512_bf16_supported")
    mixed, mixed_step, mixed_validation = trained_for_a_step(make_trainer)
    assert isinstance(single, Watched)
    assert isinstance(mixed, Watched)
    assert single.logits == [torch.float32] * 2
    assert mixed.logits == [torch.bfloat16] * 2
    assert mixed_step["loss"] == pytest.approx(single_step["loss"], rel=0.01)
    assert mixed_validation["loss"] == pytest.approx(single_validation["loss"], rel=0.01)
    wanted, found = gradient(single), gradient(mixed)
    assert found.dtype == torch.float32
    assert 0 < (found - wanted).norm() / wanted.norm() < 0.15
    assert isinstance(mixed.optimizer, AveragedAdamW)
    assert {weight.dtype for weight in mixed.network.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    "kernel",
    [
        {"kernel_size": 1},
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 3, "padding": 1, "stride": 2},
        {"kernel_size": 3, "padding": 2, "dilation": 2},
    ],
)
@pytest.mark.parametrize("side", [2, 3, 4, 6])
@pytest.mark.parametrize("channels", [16, 128])
def test_gradients_of_our_convolutions_are_right_on_the_smallest_of_features(
    channels: int, side: int, kernel: dict[str, Any]
) -> None:
    """As those of 3D convolutions are not, nor of any on a single pixel; the truth is made without oneDNN."""
    torch.manual_seed(0)
    layer = nn.Conv2d(channels, channels, **kernel)
    image = torch.randn(4, channels, side, side)
    with torch.backends.mkldnn.flags(enabled=False, allow_tf32=None):
        result = layer(image)
        outer = torch.randn(result.shape)
        result.backward(outer)
    wanted = layer.weight.grad
    layer.weight.grad = None
    with torch.autocast("cpu", torch.bfloat16):
        result = layer(image)
    result.backward(outer.to(result.dtype))
    assert wanted is not None
    assert layer.weight.grad is not None
    assert (layer.weight.grad - wanted).norm() < 0.01 * wanted.norm()


def test_prediction_stays_in_single_precision(
    make_trainer: MakeTrainer, processor: Callable[..., None]
) -> None:
    processor("_is_avx512_bf16_supported")
    trainer, _, _ = trained_for_a_step(make_trainer)
    trainer.set_deep_supervision_enabled(False)
    n_slices, *in_plane = trainer.configuration_manager.patch_size
    assert trainer.network(torch.randn((1, 1, n_slices, *in_plane))).dtype == torch.float32
