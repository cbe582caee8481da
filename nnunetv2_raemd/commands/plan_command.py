"""`raemd plan`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from nnunetv2_raemd.commands import nnunet_options as options


def plan(
    dataset: options.Dataset,
    plans: Annotated[str, typer.Option("--plans", "-p", help="nnU-Net's plan to convert.")] = "nnUNetPlans",
    name: Annotated[str, typer.Option(help="Name of the new plan.")] = "nnUNetRAEMDPlans",
    preset: Annotated[
        str,
        typer.Option(help="raemd: all parts; unet: none, a plain U-Net; or the path of a JSON file."),
    ] = "raemd",
    configuration: Annotated[
        list[str] | None,
        typer.Option("-c", help="Configurations to convert, as in -c 2d 3d_fullres; all by default."),
    ] = None,
) -> None:
    """Write a RAEMD plan beside nnU-Net's, sharing its preprocessed data.

    For nnU-Net's own trainers, or for settings of your own. nnUNetTrainerRAEMD needs none: it converts the
    plan that it is given with the preset raemd.
    """
    with Console(stderr=True).status("Planning (a few seconds)"):
        from nnunetv2_raemd.plans.plan_terminal import make_plan
        from nnunetv2_raemd.plans.preset import load_preset

        make_plan(
            dataset,
            plans_name=plans,
            new_name=name,
            preset=load_preset(preset),
            configurations=configuration or None,
        )
