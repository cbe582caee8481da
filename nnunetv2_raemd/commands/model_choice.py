"""Which model a command is to predict with: one of nnU-Net's, or an exported one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nnunetv2_raemd.prediction.model_loading import AnyModel

ALL_FOLDS = ("0", "1", "2", "3", "4")


class BackendName(str, Enum):
    """What runs the network of an exported model."""

    TORCH = "torch"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"


ModelFolder = Annotated[
    Path | None,
    typer.Option(
        "-m",
        "--model",
        exists=True,
        file_okay=False,
        help="Folder of a trained model, or one that raemd export wrote, in the place of -d, -c, -tr and -p.",
    ),
]
BackendChoice = Annotated[
    BackendName | None,
    typer.Option("--backend", help="What runs the network of --model; by default the fastest that is there."),
]


@dataclass(frozen=True)
class NnunetNames:
    """What names a model in nnU-Net's folders, as far as it was given."""

    dataset: str | None
    trainer: str
    plans: str
    configuration: str | None
    checkpoint: str


def chosen_model(
    folder: Path | None, backend: BackendName | None, names: NnunetNames, folds: Sequence[str] | None
) -> AnyModel:
    """The model that the options name.

    Raises:
        typer.BadParameter: if they name none, or two.
    """
    from nnunetv2_raemd.deployment.exported_model import Backend, ExportedModel
    from nnunetv2_raemd.deployment.model_description import FILE_NAME
    from nnunetv2_raemd.prediction.model_loading import Model, TrainedFolder

    if folder is not None:
        if names.dataset or names.configuration:
            raise typer.BadParameter("--model names the whole model: leave out -d and -c")
        if (folder / "plans.json").is_file() and not (folder / FILE_NAME).is_file() and backend is None:
            return TrainedFolder(folder, tuple(folds or ()), names.checkpoint)
        return ExportedModel(folder, None if backend is None else Backend(backend.value), tuple(folds or ()))
    if backend is not None:
        raise typer.BadParameter("--backend is for exported models: give --model")
    if names.dataset is None or names.configuration is None:
        raise typer.BadParameter(
            "give the model: -d and -c for one of nnU-Net's, --model for an exported one"
        )
    chosen = tuple(folds or ALL_FOLDS)
    return Model(names.dataset, names.trainer, names.plans, names.configuration, chosen, names.checkpoint)
