"""Trainers of the networks that RAEMD-Net is compared with, under its recipe (Tables 2 and 3 of the paper).

They train on nnU-Net's own patches, 2D or 3D by the configuration, with nnU-Net's own augmentation. Where
RAEMD-Net's augmentation differs (no mirroring and no blur across slices), it is for its sequences of slices.
"""

from __future__ import annotations

from typing import Any

from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from nnunetv2_raemd.baselines.attention_unet import attention_unet
from nnunetv2_raemd.baselines.segnet import segnet
from nnunetv2_raemd.baselines.swin_unetr import swin_unetr
from nnunetv2_raemd.baselines.topology import Topology, topology_of
from nnunetv2_raemd.baselines.unet_plus_plus import unet_plus_plus
from nnunetv2_raemd.training.nnunet_plan import require_nnunet_plan
from nnunetv2_raemd.training.recipe_trainer import nnUNetTrainerRecipe
from nnunetv2_raemd.training.variants import nnUNetTrainerRAEMD_quick


class nnUNetTrainerUNet(nnUNetTrainerRecipe):
    """The plan's own network: nnU-Net's U-Net, 2D with `2d` and 3D with `3d_fullres`."""

    @classmethod
    def convert_plan(cls, plan: dict[str, Any], configuration: str) -> dict[str, Any]:
        """The plan as it is; raises `UserError` for a RAEMD plan."""
        reason = f"{cls.__name__} trains another network than RAEMD-Net"
        require_nnunet_plan(plan, configuration, reason)
        return plan


class nnUNetTrainerUNet_quick(nnUNetTrainerUNet):
    """As many iterations as `nnUNetTrainerRAEMD_quick`."""

    recipe = nnUNetTrainerRAEMD_quick.recipe


class nnUNetTrainerOtherNetwork(nnUNetTrainerUNet):
    """A network that nnU-Net's plan does not name; its subclasses say which, and are the ones to use.

    It has logits at full resolution only, so without deep supervision.
    """

    def initialize(self) -> None:
        """Without deep supervision from the start: nnU-Net builds its loss here, too."""
        self.enable_deep_supervision = False
        super().initialize()

    @staticmethod
    def build_network(topology: Topology, input_channels: int, output_channels: int) -> nn.Module:
        """From images (B, input_channels, ...) to logits (B, output_channels, ...) of the same size."""
        raise NotImplementedError

    @classmethod
    def build_network_architecture(
        cls,
        plans_manager: PlansManager,
        configuration_manager: ConfigurationManager,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = False,
    ) -> nn.Module:
        """The network, for training and for prediction."""
        return cls.build_network(topology_of(configuration_manager), num_input_channels, num_output_channels)

    def set_deep_supervision_enabled(self, enabled: bool) -> None:
        """Nothing to be set."""


class nnUNetTrainerAttentionUNet(nnUNetTrainerOtherNetwork):
    """Attention U-Net."""

    build_network = staticmethod(attention_unet)


class nnUNetTrainerUNetPlusPlus(nnUNetTrainerOtherNetwork):
    """UNet++."""

    build_network = staticmethod(unet_plus_plus)


class nnUNetTrainerSegNet(nnUNetTrainerOtherNetwork):
    """SegNet."""

    build_network = staticmethod(segnet)


class nnUNetTrainerSwinUNETR(nnUNetTrainerOtherNetwork):
    """Swin UNETR."""

    build_network = staticmethod(swin_unetr)
