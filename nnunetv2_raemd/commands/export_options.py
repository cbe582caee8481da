"""The options of `raemd export` by what they are about; the fields of each class are options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from nnunetv2_raemd.commands import nnunet_options as options
from nnunetv2_raemd.commands.model_choice import ALL_FOLDS
from nnunetv2_raemd.commands.unused_options import refuse_unused

if TYPE_CHECKING:
    from nnunetv2_raemd.deployment.export_choices import ExportOptions
    from nnunetv2_raemd.prediction.trained_model import Model


class Format(str, Enum):
    """What the folder holds beside the weights."""

    ONNX = "onnx"
    OPENVINO = "openvino"
    SAFETENSORS = "safetensors"


@dataclass(frozen=True)
class NnunetModel:
    """What names a model of nnU-Net's."""

    dataset: options.Dataset
    configuration: options.Configuration
    trainer: options.Trainer = options.DEFAULT_TRAINER
    plans: options.Plans = options.DEFAULT_PLANS
    folds: options.Folds = None
    checkpoint: options.Checkpoint = options.DEFAULT_CHECKPOINT

    def model(self) -> Model:
        """As the export takes it."""
        from nnunetv2_raemd.prediction.trained_model import Model

        folds = tuple(self.folds or ALL_FOLDS)
        return Model(self.dataset, self.trainer, self.plans, self.configuration, folds, self.checkpoint)


@dataclass(frozen=True)
class Exported:
    """What the folder holds, and on how many cases it is verified."""

    graph_format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="onnx: graphs that ONNX Runtime and OpenVINO run. openvino: OpenVINO's own graphs. "
            "safetensors: weights only, for torch. By default onnx; openvino with --int8 or --bf16.",
        ),
    ] = None
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Compute with 8 bit integers: calibrated on training cases, refused where validation cases "
            "lose a lesion or more than 0.005 mean Dice.",
        ),
    ] = False
    bf16: Annotated[
        bool, typer.Option("--bf16", help="Let OpenVINO compute in bfloat16, under the same rule.")
    ] = False
    soup: Annotated[
        bool,
        typer.Option("--soup", help="Export the mean of the folds' weights as one, under the same rule."),
    ] = False
    license: Annotated[str, typer.Option(metavar="TEXT", help="License of the model, for its card.")] = ""
    n_calibration: Annotated[
        int, typer.Option("--calibrate", min=1, help="Training cases of each fold that --int8 calibrates on.")
    ] = 32
    n_validation: Annotated[
        int, typer.Option("--verify", min=1, help="Validation cases of each fold to verify on.")
    ] = 8

    def checked(self, folds: Sequence[str]) -> ExportOptions:
        """As the export takes them.

        Raises:
            UserError: if they do not go together, or not with these folds.
        """
        from nnunetv2_raemd.deployment.export_choices import CaseCounts, ExportOptions, check_options
        from nnunetv2_raemd.deployment.model_description import GraphFormat, precision_of

        if not self.int8:
            refuse_unused(self, "is for --int8", "n_calibration")
        default = Format.OPENVINO if self.int8 or self.bf16 else Format.ONNX
        chosen = ExportOptions(
            GraphFormat((self.graph_format or default).value),
            precision_of(int8=self.int8, bfloat16=self.bf16),
            soup=self.soup,
            license=self.license,
            counts=CaseCounts(self.n_calibration, self.n_validation),
        )
        check_options(chosen, folds)
        return chosen
