"""Which model a command is to predict with: one of nnU-Net's, or an exported one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnunetv2_raemd.commands import nnunet_options as options
from nnunetv2_raemd.commands.trust_option import trust_option

if TYPE_CHECKING:
    from nnunetv2_raemd.prediction.trained_model import AnyModel

ALL_FOLDS = ("0", "1", "2", "3", "4")


class BackendName(str, Enum):
    """What runs the network of an exported model."""

    TORCH = "torch"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"


@dataclass(frozen=True)
class ModelChoice:
    """What names a model, as far as it was given; each field is an option of the command line."""

    dataset: options.OptionalDataset = None
    configuration: options.OptionalConfiguration = None
    trainer: options.Trainer = options.DEFAULT_TRAINER
    plans: options.Plans = options.DEFAULT_PLANS
    folds: options.Folds = None
    checkpoint: options.Checkpoint = options.DEFAULT_CHECKPOINT
    folder: Annotated[
        Path | None,
        typer.Option(
            "-m",
            "--model",
            exists=True,
            file_okay=False,
            callback=options.absolute,
            help="Folder of a trained model, or one that raemd export wrote, in the place of -d, -c, -tr "
            "and -p.",
        ),
    ] = None
    backend: Annotated[
        BackendName | None,
        typer.Option(
            "--backend", help="What runs the network of --model; by default the fastest that is there."
        ),
    ] = None
    disable_postprocessing: Annotated[
        bool,
        typer.Option(
            "--disable_postprocessing",
            help="Leave out the post-processing that an exported model brings with it.",
        ),
    ] = False
    trust_checkpoint: Annotated[bool, trust_option] = False

    def model(self) -> AnyModel:
        """The model that the options name.

        Raises:
            typer.BadParameter: if they name none, or two.
        """
        from nnunetv2_raemd.prediction.trained_model import Model

        if self.folder is not None:
            return self._model_in(self.folder)
        if self.backend is not None:
            raise typer.BadParameter("--backend is for exported models: give --model")
        if self.dataset is None or self.configuration is None:
            raise typer.BadParameter(
                "give the model: -d and -c for one of nnU-Net's, --model for an exported one"
            )
        folds = tuple(self.folds or ALL_FOLDS)
        return Model(self.dataset, self.trainer, self.plans, self.configuration, folds, self.checkpoint)

    def _model_in(self, folder: Path) -> AnyModel:
        from nnunetv2_raemd.deployment.exported_model import ExportedModel
        from nnunetv2_raemd.deployment.model_description import FILE_NAME
        from nnunetv2_raemd.deployment.network_backend import Backend
        from nnunetv2_raemd.prediction.trained_model import TrainedFolder

        if self.dataset or self.configuration:
            raise typer.BadParameter("--model names the whole model: leave out -d and -c")
        folds = tuple(self.folds or ())
        if self.backend is None and (folder / "plans.json").is_file() and not (folder / FILE_NAME).is_file():
            return TrainedFolder(folder, folds, self.checkpoint)
        backend = None if self.backend is None else Backend(self.backend.value)
        return ExportedModel(folder, backend, folds, postprocessing=not self.disable_postprocessing)
