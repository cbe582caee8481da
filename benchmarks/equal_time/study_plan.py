"""The plan of the studies: nnU-Net's own, small enough for one core."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PLANS = "nnUNetStudyPlans"
SLICES_PER_BATCH = 16
IN_PLANE_SIZE = 48
DEPTH_3D = 16
FEATURES = 16


def write_study_plan(preprocessed: Path) -> None:
    """nnU-Net's plan with half its features and patches for one core."""
    plan = json.loads((preprocessed / "nnUNetPlans.json").read_text(encoding="utf-8"))
    sizes = {
        "2d": ([IN_PLANE_SIZE, IN_PLANE_SIZE], SLICES_PER_BATCH),
        "3d_fullres": ([DEPTH_3D, IN_PLANE_SIZE, IN_PLANE_SIZE], 2),  # nnU-Net's smallest batch in 3D
    }
    for name, (patch_size, batch_size) in sizes.items():
        configuration: dict[str, Any] = plan["configurations"][name]
        configuration |= {"patch_size": patch_size, "batch_size": batch_size}
        network = configuration["architecture"]["arch_kwargs"]
        network["features_per_stage"] = [FEATURES * 2**stage for stage in range(network["n_stages"])]
    plan["plans_name"] = PLANS
    (preprocessed / f"{PLANS}.json").write_text(json.dumps(plan, indent=2), encoding="utf-8")
