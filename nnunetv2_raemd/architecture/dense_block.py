"""Densely connected convolutions, equation 3.3 of the paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nnunetv2_raemd.architecture.conv_block import ConvStyle, same_conv


class DenseBlock(nn.Module):
    """Each layer sees the input and the output of every layer before it (equation 3.3), as in DenseNet.

    `n_layers` layers of `growth_rate` channels each. The concatenation of the input and all layers is the
    output; whatever convolution comes next is the transition.

    A convolution of a concatenation is the sum of the convolutions of its parts. So only the output is
    concatenated: what the input contributes to all layers is one convolution, and what a layer contributes
    to all later ones another.

    (N, in_channels, H, W) to (N, in_channels + n_layers * growth_rate, H, W).
    """

    def __init__(
        self,
        in_channels: int,
        n_layers: int,
        growth_rate: int,
        kernel_size: tuple[int, int],
        style: ConvStyle,
    ) -> None:
        super().__init__()
        self.n_layers = n_layers
        self.from_input = same_conv(in_channels, n_layers * growth_rate, kernel_size, bias=style.conv_bias)
        self.from_layer = nn.ModuleList(
            same_conv(growth_rate, n_later * growth_rate, kernel_size, bias=False)
            for n_later in range(n_layers - 1, 0, -1)
        )
        self.after_layer = nn.ModuleList(style.after_convolution(growth_rate) for _ in range(n_layers))

    def forward(self, x: Tensor) -> Tensor:
        awaiting = list(self.from_input(x).chunk(self.n_layers, dim=1))
        layers: list[Tensor] = []
        for after in self.after_layer:
            layers.append(after(awaiting.pop(0)))
            if awaiting:
                to_later = self.from_layer[len(layers) - 1](layers[-1]).chunk(len(awaiting), dim=1)
                awaiting = [sum_so_far + part for sum_so_far, part in zip(awaiting, to_later, strict=True)]
        return torch.cat((x, *layers), dim=1)


def dense_shares(channels: int, n_layers: int, growth_divisor: int) -> tuple[int, int]:
    """How a stage shares its channels: the input of its dense block has so many, each layer so many.

    A layer has `channels` / `growth_divisor`, but all layers together at most half of the channels.
    """
    if n_layers == 0:
        return channels, 0
    growth_rate = max(1, min(channels // growth_divisor, channels // (2 * n_layers)))
    return channels - n_layers * growth_rate, growth_rate
