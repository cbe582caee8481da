"""Equations 3.1-3.2: two branches of different receptive field, concatenated."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nnunetv2_raemd.architecture.conv_block import ConvStyle
from nnunetv2_raemd.architecture.multi_scale import MultiScaleBlock

LINEAR = ConvStyle(norm_op=None, nonlin=None)


def test_is_the_concatenation_of_a_plain_and_a_dilated_convolution() -> None:
    block = MultiScaleBlock(3, 5, (3, 3), ConvStyle(norm_op=None)).double()
    x = torch.randn(2, 3, 9, 11, dtype=torch.float64)
    fine = F.conv2d(x, block.fine.weight, block.fine.bias, padding=1)
    coarse = F.conv2d(x, block.coarse.weight, block.coarse.bias, padding=2, dilation=2)
    torch.testing.assert_close(block(x), F.leaky_relu(torch.cat((fine, coarse), dim=1), 0.01))


def test_odd_channel_goes_to_the_fine_branch() -> None:
    block = MultiScaleBlock(3, 5, (3, 3), LINEAR)
    assert (block.fine.out_channels, block.coarse.out_channels) == (3, 2)


@pytest.mark.parametrize(("branch", "reach"), [("fine", 1), ("coarse", 2)])
def test_receptive_field(branch: str, reach: int) -> None:
    block = MultiScaleBlock(1, 2, (3, 3), LINEAR)
    x = torch.zeros(1, 1, 11, 11, requires_grad=True)
    getattr(block, branch)(x)[0, 0, 5, 5].backward()
    assert x.grad is not None
    rows, columns = torch.nonzero(x.grad[0, 0], as_tuple=True)
    assert rows.min() == columns.min() == 5 - reach
    assert rows.max() == columns.max() == 5 + reach


def test_both_branches_follow_the_stride() -> None:
    assert MultiScaleBlock(1, 4, (3, 3), ConvStyle(), stride=(2, 1))(torch.zeros(1, 1, 8, 8)).shape == (
        1,
        4,
        4,
        8,
    )


def test_one_channel_cannot_be_shared() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        MultiScaleBlock(1, 1, (3, 3), LINEAR)


def test_gradients() -> None:
    block = MultiScaleBlock(2, 4, (3, 3), ConvStyle(nonlin=nn.Tanh, nonlin_kwargs={})).double()
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, x)
