"""Checkpoints as nnU-Net's training leaves them, loaded to predict with; none of them runs code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext, redirect_stdout
from io import StringIO
from pathlib import Path
from textwrap import shorten
from typing import Any

from nnunetv2_raemd.errors import UserError, reason_of
from nnunetv2_raemd.nnunet_files.checkpoint import (
    check_sums,
    only_weights,
    read_checkpoint,
    trained_network,
)
from nnunetv2_raemd.nnunet_files.checkpoint_origin import check_trained_with
from nnunetv2_raemd.nnunet_files.dataset_json import DatasetJson, read_dataset_json
from nnunetv2_raemd.nnunet_files.network_name import check_networks_are_known
from nnunetv2_raemd.nnunet_files.plans_file import read_plans
from nnunetv2_raemd.nnunet_files.trainer_lookup import naming_missing_trainer
from nnunetv2_raemd.prediction.nnunet_predictor import AnyNetworkPredictor
from nnunetv2_raemd.prediction.predictor import uncompiled


def load_checkpoints(
    folder: Path, files: Mapping[str, Path], *, trust_checkpoint: bool = False, **settings: Any
) -> AnyNetworkPredictor:
    """A predictor with the weights of a model as nnU-Net stores it; `settings` are those of nnU-Net's.

    Args:
        folder: of the model.
        files: the checkpoint of each fold, which all have the same name.
        trust_checkpoint: whether the user says that the model's files may run code.

    Raises:
        UserError: if a checkpoint is missing, damaged, of another network than its plan, or would run code.
    """
    plans_file = folder / "plans.json"
    plans = read_plans(plans_file, "It belongs to the model: copy the model again")
    dataset = read_dataset_json(folder / "dataset.json")
    if trust_checkpoint:
        for file in files.values():
            check_sums(file)
    else:
        _check_checkpoints(files.values(), plans, dataset)
        check_networks_are_known(plans, plans_file)
    folds = tuple(fold if fold == "all" else int(fold) for fold in files)
    name = next(iter(files.values())).name
    try:
        with (
            nullcontext() if trust_checkpoint else only_weights(),
            naming_missing_trainer(),
            nullcontext() if settings.get("verbose") else redirect_stdout(StringIO()),  # where it searches
        ):
            predictor = AnyNetworkPredictor(**settings)
            predictor.model_folder = folder
            predictor.initialize_from_trained_model_folder(str(folder), folds, name)
        for weights in predictor.list_of_parameters:  # nnU-Net would find out at the first scan
            uncompiled(predictor.network).load_state_dict(weights)
    except UserError as error:
        raise UserError(f"the model in {folder} cannot be loaded: {error}") from error
    except Exception as error:  # what a network makes of any plan and weights cannot be listed
        raise UserError(
            f"the model in {folder} cannot be loaded: a {name} is of another network than "
            "plans.json, or of another version of nnunetv2-raemd than the installed one. "
            f"{shorten(reason_of(error), 300)}"
        ) from error
    return predictor


def _check_checkpoints(files: Iterable[Path], plans: Mapping[str, Any], dataset: DatasetJson) -> None:
    """nnU-Net compares no check sums, runs what it finds, and takes the trainer of the first for all."""
    trainers: dict[str, Path] = {}
    for file in files:
        content = read_checkpoint(file)
        trainers.setdefault(trained_network(content, file).trainer_name, file)
        check_trained_with(content, file, plans, dataset)
    if len(trainers) > 1:
        (one, first), (other, second), *_ = trainers.items()
        raise UserError(
            f"{first} was trained by {one}, {second} by {other}: folds of different models lie in one "
            "folder. Copy the model again"
        )
