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

# nnU-Net's planner: a batch of 12 slices with 85 million convolution outputs each fits 8 GB
NNUNET_REFERENCE_GB = 8
NNUNET_REFERENCE_VALUES = 12 * 85_000_000


def feature_map_size(architecture: Mapping[str, Any], patch_size: Sequence[int]) -> int:
    """Values that the convolutions of a plan's network put out for one patch of one channel.

    More input channels change nothing, since the first convolution's output does not depend on them.
    """
    with torch.device("meta"):
        network = get_network_from_plans(
            architecture["network_class_name"],
            architecture["arch_kwargs"],
            architecture["_kw_requires_import"],
            input_channels=1,
            output_channels=2,
            allow_init=False,
            deep_supervision=True,
        )
    return int(network.compute_conv_feature_map_size(patch_size))


def budget(configuration: Mapping[str, Any], gpu_memory_gb: float) -> int:
    """Values a training step may hold: what the nnU-Net configuration takes, at least `gpu_memory_gb`.

    nnU-Net plans may take less than their memory target, since a batch holds at most 5 % of the data.
    """
    per_patch = feature_map_size(configuration["architecture"], configuration["patch_size"])
    from_target = NNUNET_REFERENCE_VALUES * gpu_memory_gb / NNUNET_REFERENCE_GB
    return max(per_patch * configuration["batch_size"], int(from_target))
