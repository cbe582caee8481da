"""A trained model as nnU-Net stores it, loaded to predict with."""

from __future__ import annotations

import os
from pathlib import Path
from pickle import UnpicklingError
from textwrap import shorten
from typing import Any, NamedTuple

import torch
from nnunetv2.paths import nnUNet_results
from nnunetv2.utilities.file_path_utilities import get_output_folder

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor, uncompiled


class Model(NamedTuple):
    """What names a trained model, in nnU-Net's words."""

    dataset: str
    trainer: str
    plans: str
    configuration: str
    folds: tuple[str, ...]
    checkpoint: str

    def folder(self) -> Path:
        """Its folder in `nnUNet_results`; raises `UserError` where there is none, or a checkpoint lacks."""
        if not nnUNet_results:
            raise UserError(
                "The environment variable nnUNet_results is not set; set it to nnU-Net's results."
            )
        try:
            path = get_output_folder(self.dataset, self.trainer, self.plans, self.configuration)
        except (RuntimeError, ValueError) as error:
            raise UserError(f"Dataset {self.dataset}: {error}") from error
        folder = Path(path)
        if not (folder / "plans.json").is_file():
            raise UserError(f"There is no trained model in {folder}; check -d, -tr, -p and -c, or train it.")
        for fold in self.folds:
            checkpoint = folder / f"fold_{fold}" / self.checkpoint
            if not checkpoint.is_file():
                raise UserError(f"{checkpoint} is missing: train fold {fold}, or choose folds with -f.")
        return folder


def load_model(model: Model, **settings: Any) -> WholeScanPredictor:
    """A predictor with the weights of all folds of `model`; `settings` are those of nnU-Net's predictor.

    Raises:
        UserError: if a checkpoint is missing, damaged, or of another network than its plan.
    """
    folder = model.folder()
    predictor = WholeScanPredictor(**settings)
    folds = tuple(fold if fold == "all" else int(fold) for fold in model.folds)
    try:
        predictor.initialize_from_trained_model_folder(str(folder), folds, model.checkpoint)
        for weights in predictor.list_of_parameters:  # nnU-Net would find out at the first scan
            uncompiled(predictor.network).load_state_dict(weights)
    except (EOFError, KeyError, OSError, RuntimeError, UnpicklingError) as error:
        raise UserError(
            f"the model in {folder} cannot be loaded: a {model.checkpoint} is damaged, or of another version "
            f"of nnunetv2-raemd than the installed one. {shorten(str(error), 300)}"
        ) from error
    return predictor


def torch_device(name: str) -> torch.device:
    """The device, with torch's threads as nnU-Net sets them; raises `UserError` where there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("torch finds no CUDA device; give -device cpu, or see `raemd info`.")
    if name == "mps" and not torch.backends.mps.is_available():
        raise UserError("torch finds no MPS device; give -device cpu.")
    if name == "cpu":
        torch.set_num_threads(os.cpu_count() or 1)
    elif name == "cuda":
        torch.set_num_threads(1)
        torch.set_num_interop_threads(1)
    return torch.device(name)
