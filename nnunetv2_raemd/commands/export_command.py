"""`raemd export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnunetv2_raemd.commands.export_options import Exported, NnunetModel
from nnunetv2_raemd.commands.shared_options import with_options_of


@with_options_of(NnunetModel, Exported)
def export(
    choice: NnunetModel,
    exported: Exported,
    *,
    output: Annotated[Path, typer.Option("-o", file_okay=False, help="Folder to write; must not exist.")],
) -> None:
    """Write a trained model as a folder to hand on, which raemd predict --model takes.

    The folder needs no nnUNet_results, holds nothing that could run code, and names the check sums of its
    files. Nothing is exported that does not give what torch gives on the validation cases.
    """
    from nnunetv2_raemd.deployment.export_choices import check_output

    model = choice.model()
    options = exported.checked(model.folds)
    check_output(output)
    model.folder()  # what is missing is named before torch is imported
    from nnunetv2_raemd.deployment.model_export import export_model
    from nnunetv2_raemd.deployment.nnunet_source import load_source

    description = export_model(load_source(model), output, options)
    for line in description.summary():
        typer.echo(line)
    typer.echo(f"Model written to {output}; predict with: raemd predict --model {output} -i IMAGES -o OUTPUT")
