"""The encoder: per stage a multi-scale block and a dense block; at one of them the slices meet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from nnunetv2_raemd.architecture.conv_block import ConvBlock, ConvStyle
from nnunetv2_raemd.architecture.conv_lstm import RecurrentFusion
from nnunetv2_raemd.architecture.dense_block import DenseBlock, dense_shares
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

    The recurrence is at the finest of the deepest `n_recurrent_stages` stages; 0 leaves it out. The growth
    rate of the dense blocks and the hidden channels of each direction of the recurrence are the stage's
    channels divided by `growth_divisor` (less, where a stage has many layers) and `hidden_divisor`.
    """

    multi_scale: bool = True
    dense: bool = True
    attention: bool = True
    n_recurrent_stages: int = 2
    growth_divisor: int = 4
    hidden_divisor: int = 4


class EncoderStage(nn.Module):
    """(N, in_channels, H, W) to (N, channels, H / stride, W / stride), slice by slice."""

    def __init__(self, in_channels: int, shape: StageShape, style: ConvStyle, parts: Parts) -> None:
        super().__init__()
        channels, kernel_size = shape.channels, shape.kernel_size
        n_layers = shape.n_conv if parts.dense else 0
        entry_channels, growth_rate = dense_shares(channels, n_layers, parts.growth_divisor)
        entry = MultiScaleBlock if parts.multi_scale else ConvBlock
        self.entry = entry(in_channels, entry_channels, kernel_size, style, stride=shape.stride)
        self.body: nn.Module
        if n_layers:
            self.body = DenseBlock(entry_channels, n_layers, growth_rate, kernel_size, style)
        else:
            convs = (ConvBlock(channels, channels, kernel_size, style) for _ in range(shape.n_conv - 1))
            self.body = nn.Sequential(*convs)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.body(self.entry(x))
        return features


class Encoder(nn.Module):
    """The stages, and the recurrence that follows the finest of the `n_recurrent_stages` deepest.

    The stages up to there (`before_recurrence`) see one slice each. The deeper ones (`after_recurrence`)
    see the other slices in what the recurrence hands down to them.
    """

    def __init__(
        self, in_channels: int, shapes: Sequence[StageShape], style: ConvStyle, parts: Parts
    ) -> None:
        super().__init__()
        inputs = [in_channels, *(shape.channels for shape in shapes[:-1])]
        self.stages = nn.ModuleList(
            EncoderStage(inputs[i], shape, style, parts) for i, shape in enumerate(shapes)
        )
        self.n_before = min(len(shapes), len(shapes) - parts.n_recurrent_stages + 1)
        self.recurrence: RecurrentFusion | None = None
        if parts.n_recurrent_stages:
            shape = shapes[self.n_before - 1]
            hidden_channels = max(1, shape.channels // parts.hidden_divisor)
            self.recurrence = RecurrentFusion(shape.channels, hidden_channels, shape.kernel_size)

    def before_recurrence(self, slices: Tensor) -> list[Tensor]:
        """(N, in_channels, H, W) to the features of the stages up to the recurrence, finest first."""
        return apply_in_turn(self.stages[: self.n_before], slices)

    def across_slices(self, features: Sequence[Tensor], n_slices: int) -> list[Tensor]:
        """The same features, the last of them (B*T, channels, H, W) fused with their neighbours', if any."""
        *finer, last = features
        if self.recurrence is not None and n_slices > 1:
            last = self.recurrence(last, n_slices)
        return [*finer, last]

    def after_recurrence(self, features: Sequence[Tensor]) -> list[Tensor]:
        """The features of all stages, finest first, from those up to the recurrence."""
        return [*features, *apply_in_turn(self.stages[self.n_before :], features[-1])]


def apply_in_turn(stages: Iterable[nn.Module], x: Tensor) -> list[Tensor]:
    """What each stage makes of the output of the one before."""
    outputs = []
    for stage in stages:
        x = stage(x)
        outputs.append(x)
    return outputs
