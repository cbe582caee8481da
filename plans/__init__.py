"""The network plan: presets, and the function from an nnU-Net plan to a RAEMD plan."""

from nnunetv2_raemd.plans.conversion import raemd_plan
from nnunetv2_raemd.plans.preset import Preset, load_preset

__all__ = ["Preset", "load_preset", "raemd_plan"]
