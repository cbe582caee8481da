"""`raemd convert`: one subcommand an archive."""

from __future__ import annotations

import typer

from nnunetv2_raemd.commands.convert_luna16_command import convert_luna16
from nnunetv2_raemd.commands.convert_nsclc_radiomics_command import convert_nsclc_radiomics
from nnunetv2_raemd.commands.help_lines import Group
from nnunetv2_raemd.commands.several_values import SeveralValuesCommand

app = typer.Typer(cls=Group, help="Turn a public archive into an nnU-Net dataset.", no_args_is_help=True)
app.command("luna16", cls=SeveralValuesCommand, short_help="LUNA16: lung nodules in CT.")(convert_luna16)
app.command("nsclc-radiomics", cls=SeveralValuesCommand, short_help="NSCLC-Radiomics: lung tumors in CT.")(
    convert_nsclc_radiomics
)
