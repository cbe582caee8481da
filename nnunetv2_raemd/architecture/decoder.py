"""The decoder: per stage up-sampling, the encoder's features, convolutions and residual attention."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nnunetv2_raemd.architecture.conv_block import ConvBlock, ConvStyle
from nnunetv2_raemd.architecture.encoder import Parts, StageShape
from nnunetv2_raemd.architecture.residual_attention import ResidualAttention


class DecoderStage(nn.Module):
    """Coarse features (N, C_below, H / s, W / s) and the encoder's (N, C, H, W) to (N, C, H, W)."""

    def __init__(
        self, below: StageShape, shape: StageShape, n_conv: int, style: ConvStyle, parts: Parts
    ) -> None:
        super().__init__()
        channels, kernel_size = shape.channels, shape.kernel_size
        self.up = nn.ConvTranspose2d(
            below.channels, channels, below.stride, below.stride, bias=style.conv_bias
        )
        self.convs = nn.Sequential(
            ConvBlock(2 * channels, channels, kernel_size, style),
            *(ConvBlock(channels, channels, kernel_size, style) for _ in range(n_conv - 1)),
        )
        self.attention = ResidualAttention(channels, kernel_size) if parts.attention else nn.Identity()

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        features: Tensor = self.attention(self.convs(torch.cat((self.up(coarse), skip), dim=1)))
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
