"""Checkpoints as nnU-Net's training leaves them, loaded to predict with; none of them runs code."""

from __future__ import annotations

from collections.abc import Mapping
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
from nnunetv2_raemd.nnunet_files.dataset_json import read_dataset_json
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
    read_dataset_json(folder / "dataset.json")
    for file in files.values():  # nnU-Net compares no check sums, and runs what it finds
        if trust_checkpoint:
            check_sums(file)
        else:
            trained_network(read_checkpoint(file), file)
    if not trust_checkpoint:
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
