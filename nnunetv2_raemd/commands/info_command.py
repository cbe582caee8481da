"""`raemd info`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console


def info(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    load_trainers: Annotated[
        bool,
        typer.Option(
            "--load-trainers",
            help="Also load every trainer through nnU-Net, as nnUNetv2_train does (about ten seconds).",
        ),
    ] = False,
) -> None:
    """Check the installation: versions, device, nnU-Net's folders, and whether nnU-Net finds the trainers.

    Exit status 0 when all is usable; 1 when something is wrong, with what to do about it.
    """
    from nnunetv2_raemd.installation import installation_report

    with Console(stderr=True).status("Asking torch and nnU-Net (a few seconds)"):
        findings = list(installation_report.inspect_installation())
        if load_trainers:
            from nnunetv2_raemd.installation.loading import check_loading

            findings.append(check_loading())
    if as_json:
        typer.echo(installation_report.to_json(findings))
    else:
        installation_report.print_report(findings, Console())
    raise typer.Exit(0 if installation_report.is_usable(findings) else 1)
