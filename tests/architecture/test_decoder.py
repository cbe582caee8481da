"""What the decoder does with coarse and encoder features, word by word."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from nnunetv2_raemd.architecture.conv_block import ConvStyle
from nnunetv2_raemd.architecture.decoder import DenseDecoderStage, PlainDecoderStage, up_conv
from nnunetv2_raemd.architecture.encoder import StageShape

STRIDES = [(2, 2), (1, 2), (3, 1)]


def shapes(stride: tuple[int, int]) -> tuple[StageShape, StageShape]:
    """A stage of 6 channels, and one of 4 above it."""
    return StageShape(6, (3, 3), stride, 2), StageShape(4, (3, 3), (1, 1), 2)


def impulse_response(up: Tensor, conv: Tensor, stride: tuple[int, int]) -> Tensor:
    """What up-sampling by `up` and convolving with `conv` make of one pixel, per input and output channel."""
    one_pixel = torch.eye(up.shape[0], dtype=up.dtype)[:, :, None, None]
    padding = (conv.shape[2] - 1, conv.shape[3] - 1)
    return F.conv2d(F.conv_transpose2d(one_pixel, up, stride=stride), conv, padding=padding)


@pytest.mark.parametrize("kernel_size", [(3, 3), (1, 3), (5, 5)])
@pytest.mark.parametrize("stride", STRIDES)
def test_up_conv_can_be_any_up_sampling_with_the_convolution_after_it(
    stride: tuple[int, int], kernel_size: tuple[int, int]
) -> None:
    up = torch.randn(6, 4, *stride, dtype=torch.float64)
    conv = torch.randn(5, 4, *kernel_size, dtype=torch.float64)
    both = up_conv(6, 5, kernel_size, stride).double()
    with torch.no_grad():
        both.weight.copy_(impulse_response(up, conv, stride))
    coarse = torch.randn(2, 6, 4, 5, dtype=torch.float64)
    padding = (kernel_size[0] // 2, kernel_size[1] // 2)
    expected = F.conv2d(F.conv_transpose2d(coarse, up, stride=stride), conv, padding=padding)
    torch.testing.assert_close(both(coarse), expected)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize(("n_conv", "growth_rates"), [(1, []), (2, [1]), (3, [1, 1])])
def test_dense_stage(stride: tuple[int, int], n_conv: int, growth_rates: list[int]) -> None:
    """The convolution of up-sampled and encoder features, then layers that see all before them."""
    below, shape = shapes(stride)
    stage = DenseDecoderStage(below, shape, n_conv, ConvStyle(), growth_divisor=4).double()
    coarse = torch.randn(2, 6, 4, 5, dtype=torch.float64)
    skip = torch.randn(2, 4, 4 * stride[0], 5 * stride[1], dtype=torch.float64)
    up = F.conv_transpose2d(coarse, stage.from_coarse.weight, stride=stride, padding=1)
    entry = up + F.conv2d(skip, stage.from_skip.weight, stage.from_skip.bias, padding=1)
    entry = F.leaky_relu(F.instance_norm(entry, eps=1e-5), 0.01)
    output = stage(coarse, skip)
    assert output.shape == skip.shape
    torch.testing.assert_close(output[:, : 4 - sum(growth_rates)], entry)
    torch.testing.assert_close(output, stage.body(entry))


@pytest.mark.parametrize("stride", STRIDES)
def test_plain_stage(stride: tuple[int, int]) -> None:
    below, shape = shapes(stride)
    stage = PlainDecoderStage(below, shape, 1, ConvStyle(norm_op=None)).double()
    coarse = torch.randn(2, 6, 4, 5, dtype=torch.float64)
    skip = torch.randn(2, 4, 4 * stride[0], 5 * stride[1], dtype=torch.float64)
    up = F.conv_transpose2d(coarse, stage.up.weight, stage.up.bias, stride=stride)
    convs: Any = stage.convs
    conv = convs[0][0]
    expected = F.conv2d(torch.cat((up, skip), dim=1), conv.weight, conv.bias, padding=1)
    torch.testing.assert_close(stage(coarse, skip), F.leaky_relu(expected, 0.01))
