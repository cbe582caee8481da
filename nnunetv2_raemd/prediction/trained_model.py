"""Which trained model is meant and where its files lie, which is known before torch is imported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from nnunetv2.utilities.file_path_utilities import get_output_folder

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.dataset_folders import nnunet_folder

if TYPE_CHECKING:
    from nnunetv2_raemd.prediction.nnunet_predictor import AnyNetworkPredictor
    from nnunetv2_raemd.prediction.predictor import WholeScanPredictor


class ModelIdentity(NamedTuple):
    """What tells a model from others: nnU-Net's names, and the files of its weights."""

    name: str
    dataset: str
    folds: tuple[str, ...]
    checkpoint: str
    weight_files: tuple[Path, ...]


class Model(NamedTuple):
    """What names a trained model, in nnU-Net's words."""

    dataset: str
    trainer: str
    plans: str
    configuration: str
    folds: tuple[str, ...]
    checkpoint: str

    def folder(self) -> Path:
        """Its folder in `nnUNet_results`.

        Raises:
            UserError: if there is none, or a checkpoint lacks.
        """
        nnunet_folder("results")
        try:
            path = get_output_folder(self.dataset, self.trainer, self.plans, self.configuration)
        except (RuntimeError, ValueError) as error:
            raise UserError(f"Dataset {self.dataset}: {error}") from error
        folder = Path(path)
        if not (folder / "plans.json").is_file():
            raise UserError(f"there is no trained model in {folder}; check -d, -tr, -p and -c, or train it")
        check_checkpoints(folder, self.folds, self.checkpoint)
        return folder

    def identity(self) -> ModelIdentity:
        """As nnU-Net names it."""
        return TrainedFolder(self.folder(), self.folds, self.checkpoint).identity()

    def load(self, *, trust_checkpoint: bool = False, **settings: Any) -> AnyNetworkPredictor:
        """As `load_model`."""
        trained = TrainedFolder(self.folder(), self.folds, self.checkpoint)
        return trained.load(trust_checkpoint=trust_checkpoint, **settings)


class TrainedFolder(NamedTuple):
    """A trained model by its folder; of no folds, all that have the checkpoint."""

    path: Path
    folds: tuple[str, ...]
    checkpoint: str

    def folder(self) -> Path:
        """The folder; raises `UserError` where there is no model in it, or a checkpoint is missing."""
        if not (self.path / "plans.json").is_file():
            raise UserError(f"there is no trained model in {self.path}: it holds no plans.json")
        check_checkpoints(self.path, self.folds, self.checkpoint)
        return self.path

    def identity(self) -> ModelIdentity:
        """By the names of its folders."""
        folds = self.found_folds()
        files = tuple(self.path / f"fold_{fold}" / self.checkpoint for fold in folds)
        return ModelIdentity(self.path.name, self.path.parent.name, folds, self.checkpoint, files)

    def found_folds(self) -> tuple[str, ...]:
        """Those named or, of none, all that have the checkpoint; raises `UserError` if there is none."""
        there = sorted(file.parent.name for file in self.folder().glob(f"fold_*/{self.checkpoint}"))
        folds = self.folds or tuple(name.removeprefix("fold_") for name in there if name != "fold_all")
        if not folds:
            raise UserError(f"{self.path} has no fold with {self.checkpoint}: train one, or name the folds")
        return folds

    def load(self, *, trust_checkpoint: bool = False, **settings: Any) -> AnyNetworkPredictor:
        """As `load_model`."""
        from nnunetv2_raemd.prediction.checkpoint_loading import load_checkpoints  # noqa: PLC0415 - torch

        files = {fold: self.path / f"fold_{fold}" / self.checkpoint for fold in self.found_folds()}
        return load_checkpoints(self.path, files, trust_checkpoint=trust_checkpoint, **settings)


def check_checkpoints(folder: Path, folds: tuple[str, ...], name: str) -> None:
    """Raise a `UserError` for the first fold whose checkpoint is missing."""
    for fold in folds:
        checkpoint = folder / f"fold_{fold}" / name
        if not checkpoint.is_file():
            raise UserError(f"{checkpoint} is missing: train fold {fold}, or choose folds with -f")


class AnyModel(Protocol):
    """A trained model of any form."""

    def folder(self) -> Path:
        """Where it lies, with plans.json and dataset.json; raises `UserError` where it is not there."""

    def identity(self) -> ModelIdentity:
        """What tells it from others."""

    def load(self, *, trust_checkpoint: bool = False, **settings: Any) -> WholeScanPredictor:
        """As `load_model`."""
