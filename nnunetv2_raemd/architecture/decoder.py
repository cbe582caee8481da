"""The decoder: per stage up-sampling, the encoder's features, convolutions and residual attention."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nnunetv2_raemd.architecture.conv_block import ConvBlock, ConvStyle, same_conv, same_padding
from nnunetv2_raemd.architecture.dense_block import DenseBlock, dense_shares
from nnunetv2_raemd.architecture.encoder import Parts, StageShape
from nnunetv2_raemd.architecture.residual_attention import ResidualAttention


class PlainDecoderStage(nn.Module):
    """Coarse features (N, C_below, H / s, W / s) and the encoder's (N, C, H, W) to (N, C, H, W), as a U-Net.

    Up-sampling, concatenation, `n_conv` convolutions.
    """

    def __init__(self, below: StageShape, shape: StageShape, n_conv: int, style: ConvStyle) -> None:
        super().__init__()
        channels, kernel_size = shape.channels, shape.kernel_size
        self.up = nn.ConvTranspose2d(
            below.channels, channels, below.stride, below.stride, bias=style.conv_bias
        )
        self.convs = nn.Sequential(
            ConvBlock(2 * channels, channels, kernel_size, style),
            *(ConvBlock(channels, channels, kernel_size, style) for _ in range(n_conv - 1)),
        )

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        features: Tensor = self.convs(torch.cat((self.up(coarse), skip), dim=1))
        return features


class DenseDecoderStage(nn.Module):
    """As `PlainDecoderStage`, with a dense block (equation 3.3) of `n_conv` - 1 layers.

    There is less to compute and to keep than in a plain stage. The first convolution, of the concatenation
    of both inputs, is computed as the sum of one of each. Up-sampling is linear, and so one with the
    convolution that follows: a transposed convolution whose kernel reaches as far as both.
    """

    def __init__(
        self, below: StageShape, shape: StageShape, n_conv: int, style: ConvStyle, growth_divisor: int
    ) -> None:
        super().__init__()
        n_layers = n_conv - 1
        channels, growth_rate = dense_shares(shape.channels, n_layers, growth_divisor)
        self.from_coarse = up_conv(below.channels, channels, shape.kernel_size, below.stride)
        self.from_skip = same_conv(shape.channels, channels, shape.kernel_size, bias=style.conv_bias)
        self.after = style.after_convolution(channels)
        self.body: nn.Module = nn.Identity()
        if n_layers:
            self.body = DenseBlock(channels, n_layers, growth_rate, shape.kernel_size, style)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        features: Tensor = self.body(self.after(self.from_coarse(coarse) + self.from_skip(skip)))
        return features


def up_conv(
    in_channels: int, out_channels: int, kernel_size: tuple[int, int], stride: tuple[int, int]
) -> nn.ConvTranspose2d:
    """Up-sampling by a transposed convolution without overlap, and a convolution of its result, as one."""
    reach = (kernel_size[0] + stride[0] - 1, kernel_size[1] + stride[1] - 1)
    return nn.ConvTranspose2d(in_channels, out_channels, reach, stride, same_padding(kernel_size), bias=False)


class DecoderStage(nn.Module):
    """A plain or dense stage of a decoder, then residual attention; shapes as `PlainDecoderStage`."""

    def __init__(
        self, below: StageShape, shape: StageShape, n_conv: int, style: ConvStyle, parts: Parts
    ) -> None:
        super().__init__()
        self.merge: nn.Module
        if parts.dense:
            self.merge = DenseDecoderStage(below, shape, n_conv, style, parts.growth_divisor)
        else:
            self.merge = PlainDecoderStage(below, shape, n_conv, style)
        self.attention = ResidualAttention(shape.channels) if parts.attention else nn.Identity()

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        features: Tensor = self.attention(self.merge(coarse, skip))
        return features


class Decoder(nn.Module):
    """The encoder's features, finest first, to logits.

    A head per stage exists whether or not `deep_supervision` is on, so that weights load either way. With it
    on, the logits of all stages are returned, finest first; otherwise only the finest.
    """

    def __init__(
        self,
        shapes: Sequence[StageShape],
        num_classes: int,
        n_conv_per_stage: Sequence[int],
        style: ConvStyle,
        parts: Parts,
        *,
        deep_supervision: bool,
    ) -> None:
        super().__init__()
        self.deep_supervision = deep_supervision
        coarse_to_fine = list(reversed(shapes))
        self.stages = nn.ModuleList(
            DecoderStage(below, shape, n_conv, style, parts)
            for below, shape, n_conv in zip(
                coarse_to_fine[:-1], coarse_to_fine[1:], n_conv_per_stage, strict=True
            )
        )
        # nnU-Net leaves out ".seg_layers." when it loads pretrained weights for other classes
        self.seg_layers = nn.ModuleList(
            nn.Conv2d(shape.channels, num_classes, 1) for shape in coarse_to_fine[1:]
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        *skips, x = features
        logits = []
        for stage, head, skip in zip(self.stages, self.seg_layers, reversed(skips), strict=True):
            x = stage(x, skip)
            if self.deep_supervision or head is self.seg_layers[-1]:
                logits.append(head(x))
        return logits[::-1]
