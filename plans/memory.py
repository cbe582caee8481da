"""How many slices a training step may hold, in nnU-Net's own measure of memory.

nnU-Net takes the number of values that all convolutions put out as the measure of what training needs. It
holds for RAEMD-Net too: its training keeps 1.99 times that number of values for the backward pass, nnU-Net's
plain U-Net 1.99 times as well (32 to 512 features, 512 x 512).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

NNUNET_REFERENCE_GB = 8
# By network and dimensions, the values (batch size times values per patch) with which nnU-Net's planners
# fill that much memory
NNUNET_REFERENCE_VALUES = {
    ("PlainConvUNet", 2): 12 * 85_000_000,
    ("PlainConvUNet", 3): 2 * 560_000_000,
    ("ResidualEncoderUNet", 2): 12 * 135_000_000,
    ("ResidualEncoderUNet", 3): 2 * 680_000_000,
}
# RAEMD-Net keeps as much per value as the plain 2D U-Net
VALUES_PER_GB = NNUNET_REFERENCE_VALUES["PlainConvUNet", 2] // NNUNET_REFERENCE_GB


def network_name(architecture: Mapping[str, Any]) -> str:
    """The class of an `architecture` entry's network, without its module."""
    return str(architecture["network_class_name"]).rpartition(".")[2]


def feature_map_size(architecture: Mapping[str, Any], patch_size: Sequence[int]) -> int:
    """Values that the convolutions of a plan's network put out for one patch of one channel.

    More input channels change nothing, since the first convolution's output does not depend on them.
    """
    return int(_network(architecture).compute_conv_feature_map_size(patch_size))


def slices_in_memory(
    architecture: Mapping[str, Any], in_plane_size: Sequence[int], memory_gb: float, n_sequences: int
) -> int:
    """Slices (rows, columns) that RAEMD-Net can train on at once, in `n_sequences` or more sequences.

    The first slice of a sequence takes less than the others: it has none before it to take gates from.
    """
    network = _network(architecture)
    one, two = (network.compute_conv_feature_map_size((n, *in_plane_size)) for n in (1, 2))
    further = two - one
    return int((memory_gb * VALUES_PER_GB + n_sequences * (further - one)) // further)


def memory_budget_gb(configuration: Mapping[str, Any], gpu_memory_gb: float) -> float:
    """Memory a training may take: what the nnU-Net configuration was planned for, at least `gpu_memory_gb`.

    nnU-Net plans may take less than their memory target, since a batch holds at most 5 % of the data, and
    half a patch more, since the batch size is rounded: what half a patch less takes was surely granted.
    """
    architecture, patch_size = configuration["architecture"], configuration["patch_size"]
    granted = (configuration["batch_size"] - 0.5) * feature_map_size(architecture, patch_size)
    reference = NNUNET_REFERENCE_VALUES[network_name(architecture), len(patch_size)]
    return max(gpu_memory_gb, NNUNET_REFERENCE_GB * granted / reference)


def estimated_memory_gb(configuration: Mapping[str, Any]) -> float:
    """What training a RAEMD configuration takes, in the measure of `memory_budget_gb`."""
    per_sequence = feature_map_size(configuration["architecture"], configuration["patch_size"])
    return float(configuration["batch_size"] * per_sequence / VALUES_PER_GB)


def _network(architecture: Mapping[str, Any]) -> Any:
    """The network of an `architecture` entry, without weights."""
    with torch.device("meta"):
        return get_network_from_plans(
            architecture["network_class_name"],
            architecture["arch_kwargs"],
            architecture["_kw_requires_import"],
            input_channels=1,
            output_channels=2,
            allow_init=False,
            deep_supervision=True,
        )
