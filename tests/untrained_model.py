"""A model's folder as nnU-Net's training leaves it, made in a second: the weights are random."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from nnunetv2_raemd.architecture.raemd_net import RAEMDNet

ARGUMENTS: dict[str, Any] = {
    "n_stages": 3,
    "features_per_stage": [4, 6, 8],
    "kernel_sizes": [[1, 3, 3], [1, 3, 3], [1, 3, 3]],
    "strides": [[1, 1, 1], [1, 2, 2], [1, 2, 2]],
    "n_conv_per_stage": [1, 1, 1],
    "n_conv_per_stage_decoder": [1, 1],
    "n_recurrent_stages": 1,
}
SPACING_MM = (2.5, 1.0, 1.0)  # z, y, x


def plans() -> dict[str, Any]:
    """A plan as `raemd plan` writes it, but for what only planning needs."""
    resampling = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": "nnUNetPlans_2d",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [4, 32, 32],
        "median_image_size_in_voxels": [32.0, 32.0],
        "spacing": list(SPACING_MM[1:]),
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": resampling,
        "resampling_fn_seg_kwargs": resampling | {"is_seg": True, "order": 1},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": resampling | {"order": 1},
        "architecture": {
            "network_class_name": "nnunetv2_raemd.architecture.raemd_net.RAEMDNet",
            "arch_kwargs": ARGUMENTS,
            "_kw_requires_import": [],
        },
        "batch_dice": True,
    }
    intensity = {"mean": -400.0, "std": 300.0, "percentile_00_5": -1000.0, "percentile_99_5": 400.0}
    return {
        "dataset_name": "Dataset601_Untrained",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": list(SPACING_MM),
        "original_median_shape_after_transp": [12, 32, 32],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"2d": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": intensity},
    }


def dataset_json(file_ending: str = ".nii.gz") -> dict[str, Any]:
    """CT with one label."""
    return {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "nodule": 1},
        "numTraining": 6,
        "file_ending": file_ending,
    }


def network() -> RAEMDNet:
    """The network of the plan, its weights from a fixed seed and large enough that both labels come out."""
    torch.manual_seed(0)
    return RAEMDNet(1, 2, **ARGUMENTS)


def checkpoint() -> dict[str, Any]:
    """What nnU-Net saves, but for the state of the optimizer."""
    return {
        "network_weights": network().state_dict(),
        "trainer_name": "nnUNetTrainerRAEMD",
        "init_args": {"configuration": "2d", "fold": 0},
        "inference_allowed_mirroring_axes": (1, 2),
        "logging": {"train_losses": [0.5], "val_losses": [0.5]},
    }


def write_model(results: Path) -> Path:
    """Write the model below `results`, as nnUNet_results; returns its folder."""
    folder = results / "Dataset601_Untrained" / "nnUNetTrainerRAEMD__nnUNetPlans__2d"
    (folder / "fold_0").mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(plans()), encoding="utf-8")
    (folder / "dataset.json").write_text(json.dumps(dataset_json()), encoding="utf-8")
    torch.save(checkpoint(), folder / "fold_0" / "checkpoint_final.pth")
    return folder
