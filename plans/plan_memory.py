"""How many slices a training step may hold, in nnU-Net's own measure of memory.

nnU-Net takes the number of values that all convolutions put out as the measure of what training needs. For
the backward pass, its plain U-Net keeps 1.99 times that number of values and its residual encoder U-Net 1.96
times. RAEMD-Net's figure is half of what it keeps, so that a value of either takes the same memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from nnunetv2_raemd.plans.kept_values import (
    is_known,
    plain_unet_values,
    raemd_net_values,
    residual_unet_values,
)

NNUNET_REFERENCE_GB = 8
# By network and dimensions, the values (batch size times values per patch) with which nnU-Net's planners
# fill that much memory
NNUNET_REFERENCE_VALUES = {
    ("PlainConvUNet", 2): 12 * 85_000_000,
    ("PlainConvUNet", 3): 2 * 560_000_000,
    ("ResidualEncoderUNet", 2): 12 * 135_000_000,
    ("ResidualEncoderUNet", 3): 2 * 680_000_000,
}
CLOSED_FORMS = {
    "PlainConvUNet": plain_unet_values,
    "ResidualEncoderUNet": residual_unet_values,
    "RAEMDNet": raemd_net_values,
}
# The reference for which nnU-Net publishes a measurement (7.7 GB, documentation/resenc_presets.md). A value
# takes the same memory in all these networks, so that residual encoder plans take more than their target
VALUES_PER_GB = NNUNET_REFERENCE_VALUES["PlainConvUNet", 3] // NNUNET_REFERENCE_GB


def network_name(architecture: Mapping[str, Any]) -> str:
    """The class of an `architecture` entry's network, without its module."""
    return str(architecture["network_class_name"]).rpartition(".")[2]


def slices_in_memory(
    architecture: Mapping[str, Any], in_plane_size: Sequence[int], memory_gb: float, n_sequences: int
) -> int:
    """Slices (rows, columns) that RAEMD-Net can train on at once, in `n_sequences` or more sequences.

    The first slices of a sequence take less than the others, since gates have none before them to see.
    """
    two, three = (_values(architecture, (n, *in_plane_size)) for n in (2, 3))
    further = three - two
    saved_per_sequence = 2 * further - two
    return int((memory_gb * VALUES_PER_GB + n_sequences * saved_per_sequence) // further)


def memory_budget_gb(configuration: Mapping[str, Any], gpu_memory_gb: float) -> float:
    """Memory a training may take: what the nnU-Net configuration was planned for, at least `gpu_memory_gb`.

    nnU-Net plans may take less than their memory target, since a batch holds at most 5 % of the data, and
    half a patch more, since the batch size is rounded: what half a patch less takes was surely granted.
    """
    architecture, patch_size = configuration["architecture"], configuration["patch_size"]
    per_patch = _values(architecture, patch_size)
    granted = (configuration["batch_size"] - 0.5) * per_patch
    reference = NNUNET_REFERENCE_VALUES[network_name(architecture), len(patch_size)]
    return max(gpu_memory_gb, NNUNET_REFERENCE_GB * granted / reference)


def estimated_memory_gb(configuration: Mapping[str, Any]) -> float:
    """What training a RAEMD configuration takes, in the measure of `memory_budget_gb`."""
    per_sequence = _values(configuration["architecture"], configuration["patch_size"])
    return float(configuration["batch_size"] * per_sequence / VALUES_PER_GB)


def _values(architecture: Mapping[str, Any], size: Sequence[int]) -> int:
    """nnU-Net's measure of an `architecture` entry for one patch or sequence."""
    name, arguments = network_name(architecture), architecture["arch_kwargs"]
    if name in CLOSED_FORMS and is_known(arguments) and size[0] > 1:
        with suppress(KeyError):  # what a plan leaves to the network's defaults, the network knows
            return CLOSED_FORMS[name](arguments, size)
    return _values_of_network(json.dumps(architecture), tuple(size))


@lru_cache
def _values_of_network(architecture: str, size: tuple[int, ...]) -> int:
    """The measure as the network tells it, which takes seconds; the table of a plan asks again."""
    return int(_network(json.loads(architecture)).compute_conv_feature_map_size(size))


def _network(architecture: Mapping[str, Any]) -> Any:
    """The network of an `architecture` entry for one input channel, without weights: only to be sized.

    More input channels would change nothing, since the first convolution's output does not depend on them.
    As in the planners, only RAEMD-Net has deep supervision.
    """
    import torch  # noqa: PLC0415 - seconds, and what a command refuses comes before
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans  # noqa: PLC0415 - too

    with torch.device("meta"):
        return get_network_from_plans(
            architecture["network_class_name"],
            architecture["arch_kwargs"],
            architecture["_kw_requires_import"],
            input_channels=1,
            output_channels=2,
            allow_init=False,
            deep_supervision=network_name(architecture) == "RAEMDNet",
        )
