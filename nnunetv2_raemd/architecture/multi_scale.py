"""Multi-scale convolution, equations 3.1 and 3.2 of the paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nnunetv2_raemd.architecture.conv_block import ConvStyle, same_conv


class MultiScaleBlock(nn.Module):
    """Fine and coarse features of the same input, concatenated (equations 3.1-3.2).

    Two convolutions of the same kernel run side by side, the coarse one dilated, so that it sees nearly
    twice as far (5 x 5 pixels instead of 3 x 3) at the same cost. They share the output channels, the fine
    branch taking the odd one. Normalisation and nonlinearity act channel by channel, hence once on the
    concatenation.

    (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride).

    Raises:
        ValueError: if there are fewer than 2 output channels to share.
    """

    coarse_dilation = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, int],
        style: ConvStyle,
        *,
        stride: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__()
        if out_channels < 2:
            raise ValueError(f"two branches cannot share {out_channels} output channel(s): at least 2 needed")
        coarse_channels = out_channels // 2
        fine_channels = out_channels - coarse_channels
        self.fine = same_conv(in_channels, fine_channels, kernel_size, stride=stride, bias=style.conv_bias)
        self.coarse = same_conv(
            in_channels,
            coarse_channels,
            kernel_size,
            stride=stride,
            dilation=self.coarse_dilation,
            bias=style.conv_bias,
        )
        self.after = style.after_convolution(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.after(torch.cat((self.fine(x), self.coarse(x)), dim=1))
        return features
