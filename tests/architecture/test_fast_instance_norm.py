"""The quicker normalization against torch's own, forwards and backwards."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nnunetv2_raemd.architecture.conv_block import ConvStyle
from nnunetv2_raemd.architecture.fast_instance_norm import FastInstanceNorm2d


def with_gradients(norm: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    y = norm(x)
    (y * torch.arange(y.numel()).view_as(y)).sum().backward()
    return [y.detach(), *(w.grad for w in (x, *norm.parameters()) if w.grad is not None)]


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (3, 5, 7, 4), (2, 16, 12, 12)])
def test_it_normalizes_as_torch_does(shape: tuple[int, ...], affine: bool) -> None:
    usual = nn.InstanceNorm2d(shape[1], eps=1e-3, affine=affine).double()
    for weight in usual.parameters():
        nn.init.uniform_(weight, 0.5, 2)
    ours = FastInstanceNorm2d(shape[1], eps=1e-3, affine=affine).double()
    ours.load_state_dict(usual.state_dict())
    x = 100 + 30 * torch.randn(shape, dtype=torch.float64)
    for a, b in zip(with_gradients(ours, x), with_gradients(usual, x), strict=True):
        torch.testing.assert_close(a, b)


def test_running_statistics_are_torchs_own() -> None:
    ours = FastInstanceNorm2d(2, track_running_stats=True)
    ours(torch.randn(4, 2, 5, 5) + 3)
    assert ours.running_mean is not None and (ours.running_mean > 0.1).all()


def test_the_plans_instance_normalization_is_the_quicker_one() -> None:
    def kinds(style: ConvStyle) -> list[type]:
        return [type(layer) for layer in style.after_convolution(4)]

    assert kinds(ConvStyle()) == [FastInstanceNorm2d, nn.LeakyReLU]
    assert kinds(ConvStyle(norm_op=nn.BatchNorm2d))[0] is nn.BatchNorm2d
