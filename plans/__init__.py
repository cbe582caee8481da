"""The network plan: presets, and the function from an nnU-Net plan to a RAEMD plan."""

from nnunetv2_raemd.plans.plan_conversion import is_raemd, raemd_plan, resolve
from nnunetv2_raemd.plans.preset import Preset, load_preset

__all__ = ["Preset", "is_raemd", "load_preset", "raemd_plan", "resolve"]
