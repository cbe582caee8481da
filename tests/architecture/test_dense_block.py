"""Equation 3.3: every layer sees the concatenation of all before it."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nnunetv2_raemd.architecture.conv_block import ConvStyle
from nnunetv2_raemd.architecture.dense_block import DenseBlock, dense_shares


def weight_of_layer(block: DenseBlock, layer: int, growth_rate: int) -> Tensor:
    """The kernel of one layer over [input, layer 0, ..., layer - 1], gathered from the block's parts."""
    from_layer: Any = block.from_layer
    parts = [block.from_input.weight[layer * growth_rate :][:growth_rate]]
    for source in range(layer):
        later = layer - source - 1
        parts.append(from_layer[source].weight[later * growth_rate :][:growth_rate])
    return torch.cat(parts, dim=1)


def literal_dense_block(block: DenseBlock, x: Tensor, growth_rate: int) -> Tensor:
    """Equation 3.3 word by word: convolve the concatenation."""
    assert block.from_input.bias is not None
    features = [x]
    for layer, after in enumerate(block.after_layer):
        weight = weight_of_layer(block, layer, growth_rate)
        bias = block.from_input.bias[layer * growth_rate :][:growth_rate]
        features.append(after(F.conv2d(torch.cat(features, dim=1), weight, bias, padding=1)))
    return torch.cat(features, dim=1)


@pytest.mark.parametrize("n_layers", [1, 2, 4])
def test_equals_the_literal_concatenation(n_layers: int) -> None:
    block = DenseBlock(6, n_layers, 3, (3, 3), ConvStyle()).double()
    x = torch.randn(2, 6, 8, 7, dtype=torch.float64)
    torch.testing.assert_close(block(x), literal_dense_block(block, x, 3))


def test_every_layer_feeds_every_later_one() -> None:
    style = ConvStyle(norm_op=None, nonlin=nn.Tanh, nonlin_kwargs={})
    block = DenseBlock(4, 3, 2, (3, 3), style)
    outputs: list[Tensor] = []
    for after in block.after_layer:
        after.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    block(torch.randn(1, 4, 6, 6))
    for later in range(3):
        for earlier in range(later):
            (gradient,) = torch.autograd.grad(outputs[later].sum(), outputs[earlier], retain_graph=True)
            assert gradient.abs().sum() > 0, f"layer {later} does not see layer {earlier}"


def test_keeps_nothing_concatenated_for_the_backward_pass() -> None:
    """Counted in feature maps: 36, where the concatenation that the second layer sees would make it 44."""
    block = DenseBlock(16, 2, 4, (3, 3), ConvStyle())
    kept: dict[int, int] = {}

    def remember(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes() // 4
        return tensor

    x = torch.randn(1, 16, 32, 32)
    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        output = block(x)
    parameters = {parameter.untyped_storage()._cdata for parameter in block.parameters()}
    values = sum(n for storage, n in kept.items() if storage not in parameters)
    per_channel = 32 * 32
    # input 16; its share in both layers 8, the second layer's sum 4; the normalised layers 4 + 4
    assert values == pytest.approx((16 + 8 + 4 + 4 + 4) * per_channel, rel=0.01)
    assert output.shape == (1, 24, 32, 32)


@pytest.mark.parametrize(
    ("channels", "n_layers", "divisor", "shares"),
    [
        (32, 2, 4, (16, 8)),
        (32, 1, 4, (24, 8)),
        (32, 6, 4, (20, 2)),
        (32, 1, 1, (16, 16)),
        (32, 2, 8, (24, 4)),
        (32, 0, 4, (32, 0)),
    ],
)
def test_shares_of_a_dense_stage(channels: int, n_layers: int, divisor: int, shares: tuple[int, int]) -> None:
    assert dense_shares(channels, n_layers, divisor) == shares


def test_gradients() -> None:
    style = ConvStyle(nonlin=nn.Tanh, nonlin_kwargs={})
    block = DenseBlock(2, 2, 2, (3, 3), style).double()
    assert torch.autograd.gradcheck(block, torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True))
