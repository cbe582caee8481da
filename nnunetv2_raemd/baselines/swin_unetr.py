"""Swin UNETR: Hatamizadeh et al., Swin UNETR: Swin Transformers for Semantic Segmentation (2022)."""

from __future__ import annotations

from torch import nn

from nnunetv2_raemd.baselines.monai_networks import monai_network
from nnunetv2_raemd.baselines.padding import Padded
from nnunetv2_raemd.baselines.topology import Topology

FEATURE_SIZE = 48  # as published
MULTIPLE_OF = 32  # patch embedding and four mergings halve the input


def swin_unetr(topology: Topology, input_channels: int, output_channels: int) -> nn.Module:
    """MONAI's, at its published size; of nnU-Net's plan it takes the number of dimensions only.

    Raises:
        UserError: if MONAI is not installed.
    """
    network = monai_network("SwinUNETR")(
        spatial_dims=topology.spatial_dims,
        in_channels=input_channels,
        out_channels=output_channels,
        feature_size=FEATURE_SIZE,
    )
    return Padded(network, multiple_of=MULTIPLE_OF)
