"""The trained models of a report, and which of their folds are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.dataset_folders import NnunetDataset


@dataclass(frozen=True)
class TrainedModel:
    """One folder nnUNet_results/DATASET/TRAINER__PLANS__CONFIGURATION.

    Attributes:
        name: what the report calls it: the trainer alone where that tells the models apart.
        folds: folds that the report is about, in order, present or not.
    """

    name: str
    folder: Path
    folds: tuple[str, ...]

    def fold_folder(self, fold: str) -> Path:
        """Where nnU-Net keeps that fold."""
        return self.folder / f"fold_{fold}"

    @property
    def trained_folds(self) -> tuple[str, ...]:
        """The folds that have been begun."""
        return tuple(fold for fold in self.folds if self.fold_folder(fold).is_dir())

    @property
    def validated_folds(self) -> tuple[str, ...]:
        """The folds that hold predictions of their validation cases."""
        return tuple(fold for fold in self.folds if (self.fold_folder(fold) / "validation").is_dir())


def find_models(
    dataset: NnunetDataset, models: Sequence[str], folds: Sequence[str] | None = None
) -> tuple[TrainedModel, ...]:
    """The models of those names (`cross_validation.model_names`).

    Args:
        folds: such as "0" or "all"; by default all of 0, 1, 2, ... that any of the models has.

    Raises:
        UserError: if a model's folder does not exist, or none has a fold.
    """
    folders = [dataset.results / model for model in models]
    for folder in folders:
        if not folder.is_dir():
            raise UserError(
                f"{folder} does not exist: train it with nnUNetv2_train, or give another -tr, -p or -c"
            )
    present = {path.name.removeprefix("fold_") for folder in folders for path in folder.glob("fold_*")}
    wanted = tuple(dict.fromkeys(folds or sorted(filter(str.isdecimal, present), key=int)))
    if not present.intersection(wanted):
        raise UserError(f"no fold {' '.join(wanted)} in {', '.join(map(str, folders))}: train one")
    trainers = [model.split("__")[0] for model in models]
    names = trainers if len(set(trainers)) == len(trainers) else models
    return tuple(TrainedModel(name, folder, wanted) for name, folder in zip(names, folders, strict=True))


_MODEL_PARTS = 3  # TRAINER__PLANS__CONFIGURATION


def model_names(trainers: Sequence[str], plans: str, configuration: str) -> list[str]:
    """The folders' names TRAINER__PLANS__CONFIGURATION.

    Args:
        trainers: trainers, or such names themselves, to compare across plans and configurations.

    Raises:
        UserError: if one is neither.
    """
    names = []
    for trainer in dict.fromkeys(trainers):
        parts = trainer.split("__")
        if len(parts) not in (1, _MODEL_PARTS):
            raise UserError(f"-tr {trainer}: give a trainer's name, or TRAINER__PLANS__CONFIGURATION")
        names.append(trainer if len(parts) == _MODEL_PARTS else f"{trainer}__{plans}__{configuration}")
    return names
