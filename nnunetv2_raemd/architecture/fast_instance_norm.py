"""Instance normalization by the kernel of torch that is quickest on the CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FastInstanceNorm2d(nn.InstanceNorm2d):
    """`nn.InstanceNorm2d`, its weights and its result, in less time on the CPU.

    Normalizing each channel of each slice is group normalization with a channel per group (Wu and He, 2018,
    section 3). torch's CPU kernel for groups takes a third to a quarter of the time of the one for instances,
    which repeats the weights and takes the detour of batch normalization. Other devices, running statistics
    and graphs for export keep torch's own way.

    (N, C, H, W) to (N, C, H, W).
    """

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_cpu or self.track_running_stats or torch.compiler.is_compiling():
            return super().forward(x)
        return F.group_norm(x, self.num_features, self.weight, self.bias, self.eps)
