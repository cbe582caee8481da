"""The whole way from scans to a trained network and its predictions, on phantom data and a CPU."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nnunetv2_raemd.demo.demo_picture import draw
from nnunetv2_raemd.demo.demo_plan import write_demo_plan
from nnunetv2_raemd.demo.demo_steps import all_steps
from nnunetv2_raemd.demo.runner import run_step
from nnunetv2_raemd.demo.workspace import SYSTEMS, Workspace
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.training.variants import nnUNetTrainerRAEMD_quick

MARKER = ".raemd-demo"


def run_demo(folder: Path, *, restart: bool, console: Console) -> None:
    """Run what is not done yet of the demonstration in `folder`, then show the result.

    Raises:
        UserError: if the folder holds other files, or a command fails.
    """
    workspace = Workspace(folder.resolve())
    if restart:
        _clear(workspace.root)
    _claim(workspace.root)
    logs = workspace.root / "logs"
    logs.mkdir(exist_ok=True)
    started = time.monotonic()
    before_plan, after_plan = all_steps(workspace)
    for step in before_plan:
        run_step(step, workspace.environment(), logs, console)
    write_demo_plan(workspace)
    for step in after_plan:
        run_step(step, workspace.environment(), logs, console)
    draw(workspace)
    console.print(_table(workspace))
    console.print(f"Picture: {workspace.picture}\nTime: {time.monotonic() - started:.0f} s", soft_wrap=True)


def _claim(folder: Path) -> None:
    """Make the folder ours, unless it holds something else."""
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / MARKER
    if not marker.is_file() and any(folder.iterdir()):
        raise UserError(f"{folder} holds other files: choose an empty or a new folder with --output")
    marker.touch()


def _clear(folder: Path) -> None:
    """Remove an earlier demonstration, and nothing else."""
    if (folder / MARKER).is_file():
        shutil.rmtree(folder)


def _table(workspace: Workspace) -> Table:
    recipe = nnUNetTrainerRAEMD_quick.recipe
    iterations = recipe.num_epochs * recipe.iterations_per_epoch
    table = Table(
        title=f"Dice after {iterations} iterations, against the exact masks of scans not trained on",
        caption="U-Net 2D is nnU-Net's own network under the same recipe: only the networks differ. Phantom "
        "data and a short training: this shows that all works, not how good a network is.",
    )
    table.add_column("network")
    dice_of = {system.name: _dice_per_scan(workspace.predictions(system)) for system in SYSTEMS}
    for scan in range(len(dice_of[SYSTEMS[0].name])):
        table.add_column(f"scan {scan + 1}", justify="right")
    table.add_column("mean", justify="right")
    for name, dice in dice_of.items():
        table.add_row(name, *(f"{d:.2f}" for d in dice), f"{sum(dice) / len(dice):.2f}")
    return table


def _dice_per_scan(predictions: Path) -> list[float]:
    summary = json.loads((predictions / "summary.json").read_text())
    return [case["metrics"]["1"]["Dice"] for case in summary["metric_per_case"]]
