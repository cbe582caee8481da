"""Residual spatial and channel attention, equations 3.5 to 3.9 of the paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SpatialAttention(nn.Module):
    """M_s = sigmoid(Conv(F)), equation 3.5, with a 1 x 1 kernel: (N, C, H, W) to (N, 1, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 1, 1)

    def forward(self, features: Tensor) -> Tensor:
        attention: Tensor = self.conv(features).sigmoid()
        return attention


class ChannelAttention(nn.Module):
    """M_c = sigmoid(MLP(GAP F) + MLP(GMP F)) with one shared MLP, equation 3.7.

    (N, C, H, W) to (N, C, 1, 1). The hidden layer of the MLP has C / `reduction` units, at least 4.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(4, channels // reduction)
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, features: Tensor) -> Tensor:
        average = features.mean((2, 3))
        # max notes where it is; amax looks for it again in the backward pass, which takes several times as
        # long, but without one it reads the map as it lies, whatever the order of its axes in memory
        with_backward = torch.is_grad_enabled()
        maximum = features.flatten(2).max(dim=2).values if with_backward else features.amax((2, 3))
        attention: Tensor = (self.mlp(average) + self.mlp(maximum)).sigmoid()
        return attention[:, :, None, None]


class ResidualAttention(nn.Module):
    """F_final = F + M_s F + M_c F, equations 3.6, 3.8 and 3.9.

    Written as F (1 + M_c) + M_s F: what the backward pass needs of it is F and the two small masks, never
    their sum of the size of F.

    (N, C, H, W) to (N, C, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = SpatialAttention(channels)
        self.channel = ChannelAttention(channels)

    def forward(self, features: Tensor) -> Tensor:
        by_channel = features * (1 + self.channel(features))
        return torch.addcmul(by_channel, features, self.spatial(features))
