"""A trained model as nnU-Net stores it, loaded to predict with."""

from __future__ import annotations

import os
from contextlib import nullcontext, redirect_stdout
from io import StringIO
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple, Protocol

import torch
from nnunetv2.utilities.file_path_utilities import get_output_folder

from nnunetv2_raemd.errors import UserError, reason_of
from nnunetv2_raemd.nnunet_files.checkpoint import (
    check_sums,
    only_weights,
    read_checkpoint,
    trained_network,
)
from nnunetv2_raemd.nnunet_files.dataset_folders import nnunet_folder
from nnunetv2_raemd.nnunet_files.dataset_json import read_dataset_json
from nnunetv2_raemd.nnunet_files.network_name import check_networks_are_known
from nnunetv2_raemd.nnunet_files.plans_file import read_plans
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor, uncompiled


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

    def load(self, *, trust_checkpoint: bool = False, **settings: Any) -> WholeScanPredictor:
        """As `load_model`."""
        trained = TrainedFolder(self.folder(), self.folds, self.checkpoint)
        return load_checkpoints(trained, trust_checkpoint=trust_checkpoint, **settings)


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

    def load(self, *, trust_checkpoint: bool = False, **settings: Any) -> WholeScanPredictor:
        """As `load_model`."""
        found = self._replace(folds=self.found_folds())
        return load_checkpoints(found, trust_checkpoint=trust_checkpoint, **settings)


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


def load_model(model: AnyModel, *, trust_checkpoint: bool = False, **settings: Any) -> WholeScanPredictor:
    """A predictor with the weights of all folds of `model`; `settings` are those of nnU-Net's predictor.

    Args:
        trust_checkpoint: whether the user says that the model's files may run code.

    Raises:
        UserError: if it is missing, damaged, of another network than its plan, or would run code.
    """
    return model.load(trust_checkpoint=trust_checkpoint, **settings)


def load_checkpoints(
    model: TrainedFolder, *, trust_checkpoint: bool = False, **settings: Any
) -> WholeScanPredictor:
    """As `load_model`, of a model as nnU-Net stores it.

    Args:
        trust_checkpoint: whether the user says that the model's files may run code.

    Raises:
        UserError: if a checkpoint is missing, damaged, of another network than its plan, or would run code.
    """
    folder = model.path
    plans_file = folder / "plans.json"
    plans = read_plans(plans_file, "It belongs to the model: copy the model again")
    read_dataset_json(folder / "dataset.json")
    checkpoints = [folder / f"fold_{fold}" / model.checkpoint for fold in model.folds]
    for file in checkpoints:  # nnU-Net compares no check sums, and runs what it finds
        if trust_checkpoint:
            check_sums(file)
        else:
            trained_network(read_checkpoint(file), file)
    if not trust_checkpoint:
        check_networks_are_known(plans, plans_file)
    folds = tuple(fold if fold == "all" else int(fold) for fold in model.folds)
    try:
        with (
            nullcontext() if trust_checkpoint else only_weights(),
            nullcontext() if settings.get("verbose") else redirect_stdout(StringIO()),  # where it searches
        ):
            predictor = WholeScanPredictor(**settings)
            predictor.model_folder = folder
            predictor.initialize_from_trained_model_folder(str(folder), folds, model.checkpoint)
        for weights in predictor.list_of_parameters:  # nnU-Net would find out at the first scan
            uncompiled(predictor.network).load_state_dict(weights)
    except Exception as error:  # what a network makes of any plan and weights cannot be listed
        raise UserError(
            f"the model in {folder} cannot be loaded: a {model.checkpoint} is of another network than "
            "plans.json, or of another version of nnunetv2-raemd than the installed one. "
            f"{shorten(reason_of(error), 300)}"
        ) from error
    return predictor


def torch_device(name: str) -> torch.device:
    """The device, with torch's threads as nnU-Net sets them.

    Raises:
        UserError: if there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("torch finds no CUDA device; give -device cpu, or see `raemd info`")
    if name == "mps" and not torch.backends.mps.is_available():
        raise UserError("torch finds no MPS device; give -device cpu")
    if name == "cpu":
        torch.set_num_threads(os.cpu_count() or 1)
    elif name == "cuda":
        torch.set_num_threads(1)
        torch.set_num_interop_threads(1)
    return torch.device(name)
