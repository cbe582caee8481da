"""RAEMD plans as files, beside nnU-Net's in the preprocessed folder of a dataset."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.dataset_folders import dataset_name, nnunet_folder
from nnunetv2_raemd.nnunet_files.plans_file import read_plans
from nnunetv2_raemd.plans.plan_conversion import Plan, raemd_plan
from nnunetv2_raemd.plans.preset import Preset
from nnunetv2_raemd.whole_files import write_json


def preprocessed_folder(dataset: str) -> Path:
    """The preprocessed folder of a dataset given by its ID or name.

    Raises:
        UserError: if nnUNet_preprocessed is not set or nnU-Net knows no such dataset.
    """
    return nnunet_folder("preprocessed") / dataset_name(dataset)


def read_plan(file: Path) -> Plan:
    """The nnU-Net or RAEMD plan in that file.

    Raises:
        UserError: if the file is absent or holds no plan.
    """
    return dict(read_plans(file, "Make it by nnUNetv2_plan_and_preprocess (again)"))


def write_plan(plan: dict[str, Any], file: Path) -> None:
    """Write a plan whole or not at all.

    Raises:
        UserError: if it cannot be written.
    """
    write_json(file, plan, indent=4)


def write_raemd_plan(
    dataset: str,
    *,
    plans_name: str,
    new_name: str,
    preset: Preset,
    configurations: Iterable[str] | None = None,
) -> Path:
    """Make the RAEMD plan `new_name` beside nnU-Net's plan `plans_name`; returns the file.

    Raises:
        UserError: as `raemd_plan`, if `plans_name` is a RAEMD plan already, or if a plan of nnU-Net's would
            be overwritten.
    """
    folder = preprocessed_folder(dataset)
    source, file = folder / f"{plans_name}.json", folder / f"{new_name}.json"
    nnunet_plan = read_plan(source)
    if "raemd" in nnunet_plan:
        raise UserError(f"{source} is a RAEMD plan already: give nnU-Net's with -p, such as nnUNetPlans")
    _check_target(file, new_name)
    plan = raemd_plan(nnunet_plan, preset=preset, configurations=configurations)
    plan["plans_name"] = new_name
    write_plan(plan, file)
    return file


def _check_target(file: Path, name: str) -> None:
    """Raise a `UserError` unless a RAEMD plan of that name may be written to the file."""
    # nnU-Net names folders TRAINER__PLANS__CONFIGURATION and takes the names apart again
    if not re.fullmatch(r"\w[\w.-]*", name) or "__" in name or name.endswith(".json"):
        raise UserError(
            f"--name {name} is not a valid plan name: use letters, digits, '-', '.' and single '_', without "
            ".json out"
        )
    if file.exists() and "raemd" not in read_plan(file):
        raise UserError(
            f"{file} is a plan of nnU-Net's: choose another --name, so that it is not overwritten"
        )
