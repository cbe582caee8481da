"""RAEMD plans as files, beside nnU-Net's in the preprocessed folder of a dataset."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nnunetv2.paths import nnUNet_preprocessed
from nnunetv2.utilities.dataset_name_id_conversion import maybe_convert_to_dataset_name

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.plans.conversion import Plan, raemd_plan
from nnunetv2_raemd.plans.preset import Preset


def preprocessed_folder(dataset: str) -> Path:
    """The preprocessed folder of a dataset given by its ID or name.

    Raises:
        UserError: if nnUNet_preprocessed is not set or nnU-Net knows no such dataset.
    """
    if not nnUNet_preprocessed.is_set():
        raise UserError("nnUNet_preprocessed is not set: export it as nnU-Net's set-up describes")
    try:
        name = maybe_convert_to_dataset_name(int(dataset) if dataset.isdigit() else dataset)
    except RuntimeError as error:
        raise UserError(f"nnU-Net does not find dataset {dataset}: {error}") from error
    return Path(str(nnUNet_preprocessed)) / name


def read_plan(file: Path) -> Plan:
    """The plan in that file.

    Raises:
        UserError: if the file is absent or not JSON.
    """
    try:
        plan: Plan = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"{file} does not exist: run nnUNetv2_plan_and_preprocess for this dataset first"
        ) from error
    except json.JSONDecodeError as error:
        raise UserError(f"{file}: not valid JSON ({error}). Run nnUNetv2_plan_experiment again") from error
    return plan


def write_plan(plan: dict[str, Any], file: Path) -> None:
    """Write a plan whole or not at all."""
    unfinished = file.with_suffix(".json.unfinished")
    unfinished.write_text(json.dumps(plan, indent=4), encoding="utf-8")
    unfinished.replace(file)


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
        UserError: as `raemd_plan`, or if the names are equal, which would overwrite nnU-Net's plan.
    """
    if new_name == plans_name:
        raise UserError(
            f"--name {new_name} is the plan to convert: choose another, so that it is not overwritten"
        )
    folder = preprocessed_folder(dataset)
    plan = raemd_plan(read_plan(folder / f"{plans_name}.json"), preset=preset, configurations=configurations)
    plan["plans_name"] = new_name
    file = folder / f"{new_name}.json"
    write_plan(plan, file)
    return file
