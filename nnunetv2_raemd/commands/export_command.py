"""`raemd export`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from nnunetv2_raemd.commands import nnunet_options as options
from nnunetv2_raemd.commands.model_choice import ALL_FOLDS


class Format(str, Enum):
    """What the folder holds beside the weights."""

    ONNX = "onnx"
    OPENVINO = "openvino"
    SAFETENSORS = "safetensors"


def export(
    output: Annotated[Path, typer.Option("-o", file_okay=False, help="Folder to write; must not exist.")],
    dataset: options.Dataset,
    configuration: options.Configuration,
    trainer: options.Trainer = options.DEFAULT_TRAINER,
    plans: options.Plans = options.DEFAULT_PLANS,
    folds: options.Folds = None,
    checkpoint: Annotated[str, typer.Option("-chk", help="Checkpoint to use.")] = "checkpoint_final.pth",
    graph_format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="onnx: graphs that ONNX Runtime and OpenVINO run. openvino: OpenVINO's own graphs. "
            "safetensors: weights only, for torch. By default onnx; openvino with --int8 or --bf16.",
        ),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Compute with 8 bit integers: calibrated on training cases, refused where validation cases "
            "lose a lesion or more than 0.005 mean Dice.",
        ),
    ] = False,
    bf16: Annotated[
        bool, typer.Option("--bf16", help="Let OpenVINO compute in bfloat16, under the same rule.")
    ] = False,
    soup: Annotated[
        bool,
        typer.Option("--soup", help="Export the mean of the folds' weights as one, under the same rule."),
    ] = False,
    license: Annotated[str, typer.Option(metavar="TEXT", help="License of the model, for its card.")] = "",
    n_calibration: Annotated[
        int, typer.Option("--calibrate", min=1, help="Training cases of each fold that --int8 calibrates on.")
    ] = 32,
    n_validation: Annotated[
        int, typer.Option("--verify", min=1, help="Validation cases of each fold to verify on.")
    ] = 8,
) -> None:
    """Write a trained model as a folder to hand on, which raemd predict --model takes.

    The folder needs no nnUNet_results, holds nothing that could run code, and names the check sums of its
    files. Nothing is exported that does not give what torch gives on the validation cases.
    """
    from nnunetv2_raemd.deployment.int8_export import CaseCounts
    from nnunetv2_raemd.deployment.model_description import GraphFormat, precision_of
    from nnunetv2_raemd.deployment.model_export import (
        ExportOptions,
        check_options,
        check_output,
        export_model,
    )
    from nnunetv2_raemd.deployment.nnunet_source import load_source
    from nnunetv2_raemd.prediction.trained_model import Model

    default = Format.OPENVINO if int8 or bf16 else Format.ONNX
    options = ExportOptions(
        GraphFormat((graph_format or default).value),
        precision_of(int8=int8, bfloat16=bf16),
        soup=soup,
        license=license,
        counts=CaseCounts(n_calibration, n_validation),
    )
    check_options(options)
    check_output(output)
    model = Model(dataset, trainer, plans, configuration, tuple(folds or ALL_FOLDS), checkpoint)
    description = export_model(load_source(model), output, options)
    for line in description.summary():
        typer.echo(line)
    typer.echo(f"Model written to {output}; predict with: raemd predict --model {output} -i IMAGES -o OUTPUT")
