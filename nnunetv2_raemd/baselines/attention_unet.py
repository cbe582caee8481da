"""Attention U-Net: Oktay et al., Attention U-Net: Learning Where to Look for the Pancreas (2018)."""

from __future__ import annotations

from torch import nn

from nnunetv2_raemd.baselines.instance_norm import use_instance_norm
from nnunetv2_raemd.baselines.monai_networks import monai_network
from nnunetv2_raemd.baselines.topology import Topology


def attention_unet(topology: Topology, input_channels: int, output_channels: int) -> nn.Module:
    """MONAI's, with the stages, features and strides of nnU-Net's plan and instance normalisation.

    Raises:
        UserError: if MONAI is not installed.
    """
    network = monai_network("AttentionUnet")(
        spatial_dims=topology.spatial_dims,
        in_channels=input_channels,
        out_channels=output_channels,
        channels=topology.features,
        strides=topology.strides[1:],
    )
    return use_instance_norm(network)
