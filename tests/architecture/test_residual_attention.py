"""Equations 3.5 to 3.9, each computed word by word."""

from typing import Any

import torch
from torch import Tensor

from nnunetv2_raemd.architecture.residual_attention import (
    ChannelAttention,
    ResidualAttention,
    SpatialAttention,
)


def features() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(2, 8, 5, 6, dtype=torch.float64)


def literal_spatial(attention: SpatialAttention, f: Tensor) -> Tensor:
    """Equation 3.5 pixel by pixel."""
    conv: Any = attention.conv
    result = torch.empty(f.shape[0], 1, *f.shape[2:], dtype=f.dtype)
    for row in range(f.shape[2]):
        for column in range(f.shape[3]):
            value = (f[:, :, row, column] * conv.weight[0, :, 0, 0]).sum(1) + conv.bias
            result[:, 0, row, column] = 1 / (1 + torch.exp(-value))
    return result


def literal_channel(attention: ChannelAttention, f: Tensor) -> Tensor:
    """Equation 3.7 with one MLP for the average and the maximum."""
    linear: Any = attention.mlp

    def mlp(pooled: Tensor) -> Any:
        hidden = (pooled @ linear[0].weight.T + linear[0].bias).clamp_min(0)
        return hidden @ linear[2].weight.T + linear[2].bias

    average = f.sum((2, 3)) / (f.shape[2] * f.shape[3])
    maximum = f.flatten(2).max(dim=2).values
    return (1 / (1 + torch.exp(-(mlp(average) + mlp(maximum)))))[:, :, None, None]


def test_spatial_attention() -> None:
    attention = SpatialAttention(8).double()
    torch.testing.assert_close(attention(features()), literal_spatial(attention, features()))


def test_channel_attention() -> None:
    attention = ChannelAttention(8).double()
    torch.testing.assert_close(attention(features()), literal_channel(attention, features()))


def test_final_features_are_the_sum_of_the_three() -> None:
    attention = ResidualAttention(8).double()
    f = features()
    by_space = literal_spatial(attention.spatial, f) * f
    by_channel = literal_channel(attention.channel, f) * f
    torch.testing.assert_close(attention(f), f + by_space + by_channel)


def test_hidden_layer_is_a_sixteenth_but_at_least_four() -> None:
    assert ChannelAttention(128).mlp[0].out_features == 8
    assert ChannelAttention(16).mlp[0].out_features == 4


def test_gradients() -> None:
    attention = ResidualAttention(4).double()
    f = torch.randn(1, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(attention, f)


def test_keeps_no_mask_of_the_size_of_the_features() -> None:
    """For the backward pass of 16 maps: themselves and M_s, at most both before and after the sigmoid."""
    attention = ResidualAttention(16)
    kept: dict[int, int] = {}

    def remember(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes() // 4
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        output = attention(torch.randn(1, 16, 32, 32, requires_grad=True))
    assert output.shape == (1, 16, 32, 32)
    assert sum(kept.values()) < (16 + 2 + 0.5) * 32 * 32
