"""UNet++: Zhou et al., UNet++: A Nested U-Net Architecture for Medical Image Segmentation (2018)."""

from __future__ import annotations

from torch import Tensor, nn

from nnunetv2_raemd.baselines.monai_networks import monai_network
from nnunetv2_raemd.baselines.padding import Padded
from nnunetv2_raemd.baselines.topology import Topology

N_STAGES = 5  # halved four times: MONAI's has no other depth
MULTIPLE_OF = 2 ** (N_STAGES - 1)


class OnlyLogits(nn.Module):
    """The only entry of the list that MONAI's network returns."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        (logits,) = self.network(x)
        return logits


def unet_plus_plus(topology: Topology, input_channels: int, output_channels: int) -> nn.Module:
    """MONAI's, with the features of the first five stages of nnU-Net's plan.

    Raises:
        UserError: if MONAI is not installed.
    """
    deepest = topology.features[-1]
    features = [*topology.features, *[deepest] * N_STAGES][:N_STAGES]
    network = monai_network("BasicUNetPlusPlus")(
        spatial_dims=topology.spatial_dims,
        in_channels=input_channels,
        out_channels=output_channels,
        features=[*features, features[0]],
        act=("LeakyReLU", {"inplace": True}),
    )
    for head in ("final_conv_0_1", "final_conv_0_2", "final_conv_0_3"):
        setattr(network, head, nn.Identity())  # unused, and DDP does not allow weights without a gradient
    return Padded(OnlyLogits(network), multiple_of=MULTIPLE_OF)
