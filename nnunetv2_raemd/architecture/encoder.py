"""The encoder: per stage a multi-scale block, a dense block and, at the deep stages, the recurrence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from nnunetv2_raemd.architecture.conv_block import ConvBlock, ConvStyle
from nnunetv2_raemd.architecture.conv_lstm import RecurrentFusion
from nnunetv2_raemd.architecture.dense_block import DenseBlock
from nnunetv2_raemd.architecture.multi_scale import MultiScaleBlock


@dataclass(frozen=True)
class StageShape:
    """What an nnU-Net plan says of one resolution stage; kernel and stride in-plane (rows, columns)."""

    channels: int
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    n_conv: int


@dataclass(frozen=True)
class Parts:
    """RAEMD-Net's parts. Each can be left out on its own; without any, a plain U-Net remains (Table 4).

    `n_recurrent_stages` counts from the deepest stage; 0 leaves the recurrence out. The growth rate of the
    dense blocks and the hidden channels of each direction of the recurrence are the stage's channels divided
    by `growth_divisor` and `hidden_divisor`.
    """

    multi_scale: bool = True
    dense: bool = True
    attention: bool = True
    n_recurrent_stages: int = 2
    growth_divisor: int = 4
    hidden_divisor: int = 4


class EncoderStage(nn.Module):
    """(B*T, in_channels, H, W) to (B*T, channels, H / stride, W / stride)."""

    def __init__(
        self, in_channels: int, shape: StageShape, style: ConvStyle, parts: Parts, *, recurrent: bool
    ) -> None:
        super().__init__()
        channels, kernel_size = shape.channels, shape.kernel_size
        entry = MultiScaleBlock if parts.multi_scale else ConvBlock
        self.entry = entry(in_channels, channels, kernel_size, style, stride=shape.stride)
        self.body: nn.Module
        if parts.dense:
            growth_rate = max(1, channels // parts.growth_divisor)
            self.body = DenseBlock(channels, shape.n_conv, growth_rate, kernel_size, style)
        else:
            convs = (ConvBlock(channels, channels, kernel_size, style) for _ in range(shape.n_conv - 1))
            self.body = nn.Sequential(*convs)
        hidden_channels = max(1, channels // parts.hidden_divisor)
        self.recurrence = RecurrentFusion(channels, hidden_channels, kernel_size) if recurrent else None

    def forward(self, x: Tensor, n_slices: int) -> Tensor:
        features: Tensor = self.body(self.entry(x))
        return features if self.recurrence is None else self.recurrence(features, n_slices)


class Encoder(nn.Module):
    """(B*T, in_channels, H, W) to the features of every stage, finest first."""

    def __init__(
        self, in_channels: int, shapes: Sequence[StageShape], style: ConvStyle, parts: Parts
    ) -> None:
        super().__init__()
        inputs = [in_channels, *(shape.channels for shape in shapes[:-1])]
        first_recurrent = len(shapes) - parts.n_recurrent_stages
        self.stages = nn.ModuleList(
            EncoderStage(inputs[i], shape, style, parts, recurrent=i >= first_recurrent)
            for i, shape in enumerate(shapes)
        )

    def forward(self, x: Tensor, n_slices: int) -> list[Tensor]:
        features = []
        for stage in self.stages:
            x = stage(x, n_slices)
            features.append(x)
        return features
