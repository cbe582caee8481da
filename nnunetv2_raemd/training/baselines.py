"""Trainers of the networks that RAEMD-Net is compared with, under its recipe (Tables 2 and 3 of the paper).

They train on nnU-Net's own patches, 2D or 3D by the configuration, with nnU-Net's own augmentation. Where
RAEMD-Net's augmentation differs (no mirroring and no blur across slices), it is for its sequences of slices.
"""

from __future__ import annotations

from typing import Any

import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from nnunetv2_raemd.baselines.attention_unet import attention_unet
from nnunetv2_raemd.baselines.segnet import segnet
from nnunetv2_raemd.baselines.swin_unetr import swin_unetr
from nnunetv2_raemd.baselines.topology import Topology, topology_of
from nnunetv2_raemd.baselines.unet_plus_plus import unet_plus_plus
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.plans import is_raemd, resolve
from nnunetv2_raemd.training.recipe_trainer import nnUNetTrainerRecipe
from nnunetv2_raemd.training.variants import nnUNetTrainerRAEMD_quick


class nnUNetTrainerUNet(nnUNetTrainerRecipe):
    """The plan's own network: nnU-Net's U-Net, 2D with `2d` and 3D with `3d_fullres`.

    Raises:
        UserError: if it is given a RAEMD plan.
    """

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int,
        dataset_json: dict[str, Any],
        device: torch.device = torch.device("cuda"),  # noqa: B008 - nnU-Net compares the signatures
    ) -> None:
        if is_raemd(resolve(plans, configuration)):
            raise UserError(
                f"{type(self).__name__} trains another network than RAEMD-Net, but configuration "
                f"{configuration} of the plan {plans['plans_name']} is RAEMD-Net's: give nnU-Net's plan with "
                "-p, such as nnUNetPlans"
            )
        super().__init__(plans, configuration, fold, dataset_json, device)


class nnUNetTrainerUNet_quick(nnUNetTrainerUNet):
    """As many iterations as `nnUNetTrainerRAEMD_quick`."""

    recipe = nnUNetTrainerRAEMD_quick.recipe


class nnUNetTrainerOtherNetwork(nnUNetTrainerUNet):
    """A network that nnU-Net's plan does not name; its subclasses say which, and are the ones to use.

    It has logits at full resolution only, so without deep supervision.
    """

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int,
        dataset_json: dict[str, Any],
        device: torch.device = torch.device("cuda"),  # noqa: B008 - nnU-Net compares the signatures
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.enable_deep_supervision = False

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
