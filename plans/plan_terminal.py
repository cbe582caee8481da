"""Making a RAEMD plan as the user sees it: what was decided per configuration, and how to train with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from nnunetv2_raemd.plans.plan_conversion import Configuration, Plan, depth, is_raemd, resolve
from nnunetv2_raemd.plans.plan_files import read_plan, write_raemd_plan
from nnunetv2_raemd.plans.plan_memory import estimated_memory_gb, memory_budget_gb
from nnunetv2_raemd.plans.preset import Preset

TRAINER = "nnUNetTrainerRAEMD"


def make_plan(
    dataset: str,
    *,
    plans_name: str,
    new_name: str,
    preset: Preset,
    configurations: Iterable[str] | None = None,
) -> None:
    """Write a RAEMD plan beside nnU-Net's and print what it says.

    Raises:
        UserError: as `write_raemd_plan`.
    """
    file = write_raemd_plan(
        dataset, plans_name=plans_name, new_name=new_name, preset=preset, configurations=configurations
    )
    nnunet_plan, plan = read_plan(file.with_name(f"{plans_name}.json")), read_plan(file)
    converted = [name for name in plan["configurations"] if is_raemd(resolve(plan, name))]
    console = Console(highlight=False, markup=False)
    console.print(_table(nnunet_plan, plan, converted, preset))
    console.print(f"Plan: {file}", soft_wrap=True)
    command = f"nnUNetv2_train {dataset} {converted[0]} 0 -tr {TRAINER} -p {new_name}"
    console.print(f"Train: {command}", soft_wrap=True)


def _table(nnunet_plan: Plan, plan: Plan, names: Iterable[str], preset: Preset) -> Table:
    caption = "In brackets: nnU-Net's. The memory is estimated."
    table = Table(box=None, pad_edge=False, caption=caption, caption_justify="left")
    table.add_column("configuration", no_wrap=True)
    headings = ("sequence", "sequences\nper batch", "slices\nper batch", "recurrent\nstages", "memory\nin GB")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for name in names:
        before, after = resolve(nnunet_plan, name), resolve(plan, name)
        table.add_row(name, *_cells(before, after, memory_budget_gb(before, preset.gpu_memory_gb)))
    return table


def _cells(before: Configuration, after: Configuration, budget_gb: float) -> list[str]:
    """What a row says, in the order of the table's headings."""
    network: dict[str, Any] = after["architecture"]["arch_kwargs"]
    n_slices, rows, columns = after["patch_size"]
    n_sequences = after["batch_size"]
    slices_of_nnunet = before["batch_size"] * depth(before["patch_size"])
    return [
        f"{n_slices} x {rows} x {columns}",
        f"{n_sequences}",
        f"{n_sequences * n_slices} ({slices_of_nnunet})",
        f"{network['n_recurrent_stages']} of {network['n_stages']}",
        f"{estimated_memory_gb(after):.1f} of {budget_gb:.1f}",
    ]
