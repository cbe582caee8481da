"""nnU-Net plans for the sizes of a benchmark, without a dataset.

The topology comes from nnU-Net's own function; what its planners add to it (features, convolutions or blocks
per stage) is stated here and compared with real plans in `tests/bench/test_sized_plans.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnunetv2.experiment_planning.experiment_planners.network_topology import get_pool_and_conv_props

from nnunetv2_raemd.bench.sizes import BATCH_3D, Sizes
from nnunetv2_raemd.errors import UserError

SPACING_MM = (1.25, 0.7, 0.7)
"""the median of LUNA16, roughly"""
SCAN_SHAPE = (300, 512, 512)
PATCHES_OF_SCAN = {2: (512, 512), 3: (96, 160, 160)}
"""the patches that nnU-Net's planners, default and M, give 2d and 3d_fullres for scans of that size"""
MIN_FEATURE_MAP_SIZE, MAX_POOLINGS = 4, 999999
MAX_FEATURES = {2: 512, 3: 320}
ENCODER = {
    "PlainConvUNet": ("n_conv_per_stage", (2,) * 13),
    "ResidualEncoderUNet": ("n_blocks_per_stage", (1, 3, 4) + (6,) * 10),
}
N_CONV_DECODER = {"PlainConvUNet": 2, "ResidualEncoderUNet": 1}
DATASET_JSON = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "nodule": 1},
    "file_ending": ".nii.gz",
}
Plan = dict[str, Any]


def nnunet_plan(network: str, sizes: Sizes) -> Plan:
    """The plan with configurations 2d and 3d_fullres for "PlainConvUNet" or "ResidualEncoderUNet".

    Raises:
        UserError: if slices of that size cannot be halved as often as nnU-Net would.
    """
    return {
        "dataset_name": "Dataset000_Benchmark",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": list(SPACING_MM),
        "original_median_shape_after_transp": list(SCAN_SHAPE),
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "experiment_planner_used": "none",
        "label_manager": "LabelManager",
        "configurations": {
            "2d": configuration(network, sizes.patch_2d, sizes.slices, sizes.features),
            "3d_fullres": configuration(network, sizes.patch_3d, BATCH_3D, sizes.features),
        },
    }


def configuration(network: str, patch_size: Sequence[int], batch_size: int, features: int) -> Plan:
    """A configuration as nnU-Net's planner would write it for that patch."""
    n_axes = len(patch_size)
    spacing = SPACING_MM[-n_axes:]
    _, strides, kernels, padded, _ = get_pool_and_conv_props(
        spacing, patch_size, MIN_FEATURE_MAP_SIZE, MAX_POOLINGS
    )
    if list(padded) != list(patch_size):
        raise UserError(
            f"nnU-Net would make patches of {_by(padded)} from {_by(patch_size)}: give --size and --slices "
            "that make the former"
        )
    return {
        "data_identifier": f"nnUNetPlans_{n_axes}d",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": batch_size,
        "patch_size": list(patch_size),
        "median_image_size_in_voxels": list(SCAN_SHAPE[-n_axes:]),
        "spacing": list(spacing),
        "batch_dice": True,
        "architecture": architecture(network, strides, kernels, features),
    }


def architecture(
    network: str, strides: Sequence[Sequence[int]], kernels: Sequence[Sequence[int]], features: int
) -> dict[str, Any]:
    """The `architecture` entry for one of nnU-Net's networks."""
    n_stages, n_axes = len(strides), len(strides[0])
    key, per_stage = ENCODER[network]
    return {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{network}",
        "arch_kwargs": {
            "n_stages": n_stages,
            "features_per_stage": [min(MAX_FEATURES[n_axes], features * 2**i) for i in range(n_stages)],
            "conv_op": f"torch.nn.modules.conv.Conv{n_axes}d",
            "kernel_sizes": [list(kernel) for kernel in kernels],
            "strides": [list(stride) for stride in strides],
            key: list(per_stage[:n_stages]),
            "n_conv_per_stage_decoder": [N_CONV_DECODER[network]] * (n_stages - 1),
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{n_axes}d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
