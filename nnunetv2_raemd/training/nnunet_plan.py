"""Trainers that decide the network themselves need a plan that has not."""

from __future__ import annotations

from typing import Any

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.plans import is_raemd, resolve


def require_nnunet_plan(plan: dict[str, Any], configuration: str, reason: str) -> None:
    """Raises `UserError` for a RAEMD plan; `reason` says what the trainer does that it cannot with one."""
    if is_raemd(resolve(plan, configuration)):
        raise UserError(
            f"{reason}, but configuration {configuration} of the plan {plan['plans_name']} is RAEMD-Net's "
            "already: give nnU-Net's plan with -p, such as nnUNetPlans"
        )
