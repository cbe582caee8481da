"""Residual spatial and channel attention, equations 3.5 to 3.9 of the paper."""

from __future__ import annotations

from torch import Tensor, nn

from nnunetv2_raemd.architecture.conv_block import same_conv


class SpatialAttention(nn.Module):
    """M_s = sigmoid(Conv(F)), equation 3.5: (N, C, H, W) to (N, 1, H, W)."""

    def __init__(self, channels: int, kernel_size: tuple[int, int]) -> None:
        super().__init__()
        self.conv = same_conv(channels, 1, kernel_size)

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
        average, maximum = features.mean((2, 3)), features.amax((2, 3))
        attention: Tensor = (self.mlp(average) + self.mlp(maximum)).sigmoid()
        return attention[:, :, None, None]


class ResidualAttention(nn.Module):
    """F_final = F + M_s F + M_c F, equations 3.6, 3.8 and 3.9.

    Written as F (1 + M_s + M_c), which a compiler fuses to one pass over memory.

    (N, C, H, W) to (N, C, H, W).
    """

    def __init__(self, channels: int, kernel_size: tuple[int, int]) -> None:
        super().__init__()
        self.spatial = SpatialAttention(channels, kernel_size)
        self.channel = ChannelAttention(channels)

    def forward(self, features: Tensor) -> Tensor:
        return features * (1 + self.spatial(features) + self.channel(features))
