"""RAEMD-Net normalised over all slices of a sequence instead of each: tried in the study, not the default."""

from __future__ import annotations

from typing import Any

import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import Tensor, nn
from torch.nn import functional as F

from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD


class SequenceNorm(nn.Module):
    """Instance normalisation of (B*T, C, H, W) with one mean and variance over T, H and W.

    What differs between the slices of a sequence stays, which normalising each slice would take away. It
    takes the statistics of the sequence at hand in training and prediction alike, so that a slice cannot be
    computed without its neighbours.
    """

    def __init__(self, of: nn.InstanceNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = of.weight, of.bias, of.eps
        self.n_slices = 1

    def forward(self, x: Tensor) -> Tensor:
        # batch normalisation with the batch's own statistics is just that, for one sequence
        sequences = [
            F.batch_norm(one, None, None, self.weight, self.bias, True, 0.0, self.eps)
            for one in x.split(self.n_slices)
        ]
        return torch.cat(sequences)


def normalise_over_sequences(network: nn.Module) -> nn.Module:
    """Replace every normalisation of RAEMD-Net; the weights keep their names."""
    norms = []
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.InstanceNorm2d):
                setattr(module, name, SequenceNorm(child))
                norms.append(getattr(module, name))

    def note_slices(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        for norm in norms:
            norm.n_slices = inputs[0].shape[2]

    network.register_forward_pre_hook(note_slices)
    return network.to(memory_format=torch.channels_last)


class nnUNetTrainerRAEMDSequenceNorm(nnUNetTrainerRAEMD):
    """For nnUNetv2_predict only: `raemd predict` computes slices one by one."""

    @staticmethod
    def build_network_architecture(
        plans_manager: PlansManager,
        configuration_manager: ConfigurationManager,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """RAEMD-Net of the plan, with its normalisation exchanged."""
        network = nnUNetTrainerRAEMD.build_network_architecture(
            plans_manager,
            configuration_manager,
            num_input_channels,
            num_output_channels,
            enable_deep_supervision,
        )
        return normalise_over_sequences(network)
