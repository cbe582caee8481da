"""What an export is to be, and what is refused of it before torch, which takes seconds, is imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnunetv2_raemd.deployment.model_description import GraphFormat, Precision
from nnunetv2_raemd.errors import UserError


@dataclass(frozen=True)
class CaseCounts:
    """How many cases of each fold are used."""

    calibration: int = 32
    validation: int = 8


@dataclass(frozen=True)
class ExportOptions:
    """What to export, and on how much to verify it.

    Attributes:
        soup: whether the mean of the folds' weights takes the place of the folds.
        license: a name or a sentence for the model card.
    """

    graph_format: GraphFormat = GraphFormat.ONNX
    precision: Precision = Precision.FLOAT32
    soup: bool = False
    license: str = ""
    counts: CaseCounts = field(default_factory=CaseCounts)


def check_options(options: ExportOptions, folds: Sequence[str]) -> None:
    """Raise a `UserError` where they do not fit together, or not to the folds of the model."""
    precision, graph_format = options.precision, options.graph_format
    if precision is not Precision.FLOAT32 and graph_format is GraphFormat.NONE:
        raise UserError(f"{precision.value} needs graphs: give --format openvino")
    if precision.is_int8 and graph_format is not GraphFormat.OPENVINO:
        raise UserError("--int8 makes graphs of OpenVINO: give --format openvino")
    if options.soup and len(folds) < 2:
        raise UserError("--soup averages the weights of several folds: give more than one with -f")


def check_output(output: Path) -> None:
    """Raise a `UserError` where something is there already."""
    if output.exists():
        raise UserError(f"{output} exists already: choose another folder for -o, or remove it")
