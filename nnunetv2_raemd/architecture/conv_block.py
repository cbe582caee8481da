"""Convolution, normalisation, nonlinearity: the unit every other block is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from nnunetv2_raemd.architecture.fast_instance_norm import FastInstanceNorm2d


@dataclass(frozen=True)
class ConvStyle:
    """What an nnU-Net plan says of all convolutions of a network: bias, normalisation, dropout, nonlinearity.

    Operators are the 2D ones, since slices are folded into the batch; `None` leaves the operator out.
    """

    conv_bias: bool = True
    norm_op: Callable[..., nn.Module] | None = nn.InstanceNorm2d
    norm_op_kwargs: dict[str, Any] = field(default_factory=lambda: {"eps": 1e-5, "affine": True})
    dropout_op: Callable[..., nn.Module] | None = None
    dropout_op_kwargs: dict[str, Any] = field(default_factory=dict)
    nonlin: Callable[..., nn.Module] | None = nn.LeakyReLU
    nonlin_kwargs: dict[str, Any] = field(default_factory=lambda: {"inplace": True})

    def after_convolution(self, channels: int) -> nn.Sequential:
        """Dropout, normalisation and nonlinearity for `channels` feature maps, in nnU-Net's order."""
        layers = []
        if self.dropout_op is not None:
            layers.append(self.dropout_op(**self.dropout_op_kwargs))
        if self.norm_op is not None:
            norm_op = FastInstanceNorm2d if self.norm_op is nn.InstanceNorm2d else self.norm_op
            layers.append(norm_op(channels, **self.norm_op_kwargs))
        if self.nonlin is not None:
            layers.append(self.nonlin(**self.nonlin_kwargs))
        return nn.Sequential(*layers)


def same_padding(kernel_size: tuple[int, int], dilation: int = 1) -> tuple[int, int]:
    """Padding that keeps H and W at stride 1, for odd kernels."""
    return (dilation * (kernel_size[0] - 1) // 2, dilation * (kernel_size[1] - 1) // 2)


def same_conv(
    in_channels: int,
    out_channels: int,
    kernel_size: tuple[int, int],
    *,
    stride: tuple[int, int] = (1, 1),
    dilation: int = 1,
    groups: int = 1,
    bias: bool = True,
) -> nn.Conv2d:
    """A Conv2d whose padding keeps H and W at stride 1."""
    padding = same_padding(kernel_size, dilation)
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)


class ConvBlock(nn.Sequential):
    """(N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, int],
        style: ConvStyle,
        *,
        stride: tuple[int, int] = (1, 1),
    ) -> None:
        conv = same_conv(in_channels, out_channels, kernel_size, stride=stride, bias=style.conv_bias)
        super().__init__(conv, *style.after_convolution(out_channels))
