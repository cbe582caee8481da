"""The plan of the demonstration: nnU-Net's own, made small enough for a CPU."""

from __future__ import annotations

from nnunetv2_raemd.demo.workspace import PLANS, Workspace
from nnunetv2_raemd.plans.plan_files import read_plan, write_plan

SLICES_PER_BATCH = 16
FEWER_FEATURES = 2
MOST_FEATURES = 256


def write_demo_plan(workspace: Workspace) -> None:
    """Write nnU-Net's 2d plan with half the features and 16 slices per batch, for both networks alike."""
    plan = read_plan(workspace.preprocessed / "nnUNetPlans.json")
    configuration = plan["configurations"]["2d"]
    configuration["batch_size"] = SLICES_PER_BATCH
    arguments = configuration["architecture"]["arch_kwargs"]
    arguments["features_per_stage"] = [
        min(features // FEWER_FEATURES, MOST_FEATURES) for features in arguments["features_per_stage"]
    ]
    plan["plans_name"] = PLANS
    write_plan(plan, workspace.preprocessed / f"{PLANS}.json")
