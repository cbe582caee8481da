"""Plans made by nnU-Net's own planners, of datasets that are described rather than written.

A planner reads the fingerprint of a dataset (shapes, spacings), not its images: so plans of large CT take no
large CT.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
import torch
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.experiment_planning.experiment_planners.residual_unets.residual_encoder_unet_planners import (
    nnUNetPlannerResEncL,
    nnUNetPlannerResEncM,
)

PLANNERS = {"default": ExperimentPlanner, "M": nnUNetPlannerResEncM, "L": nnUNetPlannerResEncL}
DATASET = "Dataset501_Planned"
Plan = dict[str, Any]
Planned = Callable[..., Plan]


@dataclass(frozen=True)
class Scans:
    """A dataset whose scans are all alike: slices, rows, columns, and their distances in mm."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    number: int = 4
    file_ending: str = ".nii.gz"


SCANS = {
    "small": Scans((20, 64, 64), (2.5, 1.0, 1.0)),
    "tiny": Scans((20, 32, 32), (2.5, 1.0, 1.0)),
    "CT": Scans((250, 512, 512), (1.25, 0.7, 0.7), number=200),
    "PNG": Scans((1, 64, 96), (999.0, 1.0, 1.0), file_ending=".png"),
}


def run_planner(planner: str, scans: Scans, folder: Path) -> Plan:
    """The plan that nnU-Net's planner makes, as read from its file."""
    preprocessed = folder / "nnUNet_preprocessed" / DATASET
    write_raw_dataset(scans, folder / "nnUNet_raw" / DATASET)
    write_fingerprint(scans, preprocessed)
    with pytest.MonkeyPatch.context() as patch, torch.device("meta"):  # planners build networks to size them
        for variable in ("nnUNet_raw", "nnUNet_preprocessed"):
            patch.setenv(variable, str(folder / variable))
        PLANNERS[planner](501, plans_name="nnUNetPlans").plan_experiment()
    plan: Plan = json.loads((preprocessed / "nnUNetPlans.json").read_text())
    return plan


def write_raw_dataset(scans: Scans, folder: Path) -> None:
    size = (8, 8) if scans.file_ending == ".png" else (8, 8, 4)
    for case in range(scans.number):
        for file in (f"imagesTr/s{case}_0000", f"labelsTr/s{case}"):
            path = folder / f"{file}{scans.file_ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if case == 0:
                sitk.WriteImage(sitk.Image(size, sitk.sitkUInt8), str(path))
            path.touch()
    description = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "nodule": 1},
        "numTraining": scans.number,
        "file_ending": scans.file_ending,
    }
    (folder / "dataset.json").write_text(json.dumps(description))


def write_fingerprint(scans: Scans, folder: Path) -> None:
    keys = ("max", "mean", "median", "min", "percentile_00_5", "percentile_99_5", "std")
    fingerprint = {
        "spacings": [scans.spacing_mm] * scans.number,
        "shapes_after_crop": [scans.shape] * scans.number,
        "foreground_intensity_properties_per_channel": {"0": dict.fromkeys(keys, 1.0)},
        "median_relative_size_after_cropping": 1.0,
    }
    folder.mkdir(parents=True)
    (folder / "dataset_fingerprint.json").write_text(json.dumps(fingerprint))
