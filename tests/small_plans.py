"""Plans of networks that are small enough for tests, with what prediction reads of a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

RAEMD = "nnunetv2_raemd.architecture.raemd_net.RAEMDNet"
UNET = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
TO_IMPORT = ("conv_op", "norm_op", "dropout_op", "nonlin")
"""Arguments of nnU-Net's own networks that name a class."""
ONE_LABEL: dict[str, Any] = {"background": 0, "nodule": 1}
N_SLICES = 4
MEAN_HU, STD_HU = -790.0, 120.0


def raemd_arguments(**parts: Any) -> dict[str, Any]:
    """Those of a RAEMD-Net of two stages."""
    return {
        "n_stages": 2,
        "features_per_stage": [4, 8],
        "kernel_sizes": [[1, 3, 3], [1, 3, 3]],
        "strides": [[1, 1, 1], [1, 2, 2]],
        "n_conv_per_stage": [2, 2],
        "n_conv_per_stage_decoder": [1],
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        **{"n_recurrent_stages": 1, **parts},
    }


def unet_arguments(n_axes: int = 2) -> dict[str, Any]:
    """Those of nnU-Net's own network, of two stages."""
    return {
        "n_stages": 2,
        "features_per_stage": [4, 8],
        "conv_op": f"torch.nn.modules.conv.Conv{n_axes}d",
        "kernel_sizes": [[3] * n_axes] * 2,
        "strides": [[1] * n_axes, [2] * n_axes],
        "n_conv_per_stage": [1, 1],
        "n_conv_per_stage_decoder": [1],
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{n_axes}d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }


def plan(
    arch_kwargs: Mapping[str, Any],
    *,
    network: str = RAEMD,
    patch_size: Sequence[int] = (N_SLICES, 24, 24),
    n_channels: int = 1,
    mean_std_hu: tuple[float, float] = (MEAN_HU, STD_HU),
) -> dict[str, Any]:
    """A plan with one configuration, 2d."""
    resampling = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    mean, std = mean_std_hu
    intensity = {"mean": mean, "std": std, "percentile_00_5": -1000.0, "percentile_99_5": 400.0}
    configuration = {
        "data_identifier": "nnUNetPlans_2d",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(patch_size),
        "median_image_size_in_voxels": [32.0, 32.0],
        "spacing": [1.0, 1.0] if network == RAEMD or len(patch_size) == 2 else [2.5, 1.0, 1.0],
        "normalization_schemes": ["CTNormalization"] * n_channels,
        "use_mask_for_norm": [False] * n_channels,
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": resampling,
        "resampling_fn_seg_kwargs": resampling | {"is_seg": True, "order": 1},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": resampling | {"order": 1},
        "architecture": {
            "network_class_name": network,
            "arch_kwargs": dict(arch_kwargs),
            "_kw_requires_import": [name for name in TO_IMPORT if name in arch_kwargs],
        },
        "batch_dice": True,
    }
    return {
        "dataset_name": "Dataset601_Tiny",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [2.5, 1.0, 1.0],
        "original_median_shape_after_transp": [12, 32, 32],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"2d": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {str(c): intensity for c in range(n_channels)},
    }


def dataset_json(
    labels: Mapping[str, Any] = ONE_LABEL, n_channels: int = 1, file_ending: str = ".nii.gz"
) -> dict[str, Any]:
    """CT with the labels; overlapping ones are regions."""
    regions = {"regions_class_order": [1, 2]} if any(isinstance(v, list) for v in labels.values()) else {}
    return {
        "channel_names": {str(channel): "CT" for channel in range(n_channels)},
        "labels": dict(labels),
        "numTraining": 4,
        "file_ending": file_ending,
        **regions,
    }
