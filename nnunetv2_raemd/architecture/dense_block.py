"""Densely connected convolutions, equation 3.3 of the paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nnunetv2_raemd.architecture.conv_block import ConvStyle, same_conv


class DenseBlock(nn.Module):
    """Each layer sees the input and the output of every layer before it (equation 3.3), as in DenseNet.

    `n_layers` layers of `growth_rate` channels each; a 1 x 1 transition maps the concatenation of the input
    and all layers back to `channels`.

    A convolution of a concatenation is the sum of the convolutions of its parts. So nothing is concatenated
    and kept for the backward pass: what the input contributes to all layers is one convolution, and what a
    layer contributes to all later ones another.

    (N, channels, H, W) to (N, channels, H, W).
    """

    def __init__(
        self,
        channels: int,
        n_layers: int,
        growth_rate: int,
        kernel_size: tuple[int, int],
        style: ConvStyle,
    ) -> None:
        super().__init__()
        self.n_layers = n_layers
        self.from_input = same_conv(channels, n_layers * growth_rate, kernel_size, bias=style.conv_bias)
        self.from_layer = nn.ModuleList(
            same_conv(growth_rate, n_later * growth_rate, kernel_size, bias=False)
            for n_later in range(n_layers - 1, 0, -1)
        )
        self.after_layer = nn.ModuleList(style.after_convolution(growth_rate) for _ in range(n_layers))
        self.transition_from_input = nn.Conv2d(channels, channels, 1, bias=style.conv_bias)
        self.transition_from_layers = nn.Conv2d(n_layers * growth_rate, channels, 1, bias=False)
        self.after_transition = style.after_convolution(channels)

    def forward(self, x: Tensor) -> Tensor:
        awaiting = list(self.from_input(x).chunk(self.n_layers, dim=1))
        layers: list[Tensor] = []
        for after in self.after_layer:
            layers.append(after(awaiting.pop(0)))
            if awaiting:
                to_later = self.from_layer[len(layers) - 1](layers[-1]).chunk(len(awaiting), dim=1)
                awaiting = [sum_so_far + part for sum_so_far, part in zip(awaiting, to_later, strict=True)]
        transition = self.transition_from_input(x) + self.transition_from_layers(torch.cat(layers, dim=1))
        features: Tensor = self.after_transition(transition)
        return features
