"""What nnU-Net logged of a training, epoch by epoch: it keeps this in its checkpoints."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.trained_models import TrainedModel
from nnunetv2_raemd.training.overlap_log import DICE, MEAN_F1, MEAN_IOU, with_overlaps

FINAL = "checkpoint_final.pth"
_CHECKPOINTS = (FINAL, "checkpoint_latest.pth", "checkpoint_best.pth")

QUANTITIES: Mapping[str, str] = {
    "train_losses": "Training loss",
    "val_losses": "Validation loss",
    "mean_fg_dice": "Dice",
    MEAN_IOU: "IoU",
    MEAN_F1: "F1",
    "lrs": "Learning rate",
}
"""The logged quantities that a report shows, and their headings."""


@dataclass(frozen=True)
class TrainingLog:
    """One fold of one training.

    Attributes:
        curves: by key of `QUANTITIES`, a value an epoch; keys that were not logged are absent.
        finished: whether training came to its end.
        hours: time spent in epochs; None if it was not logged.
    """

    fold: str
    curves: Mapping[str, tuple[float, ...]]
    finished: bool
    hours: float | None

    @property
    def n_epochs(self) -> int:
        """Epochs in the log."""
        return max((len(curve) for curve in self.curves.values()), default=0)


def read_log(fold_folder: Path) -> TrainingLog:
    """The log in the final checkpoint of a fold, or in the latest, or the best.

    IoU and F1 of trainings that did not log them follow from the logged Dice of each class.

    Raises:
        UserError: if there is no checkpoint, or it holds no log that can be read.
    """
    found = [fold_folder / name for name in _CHECKPOINTS if (fold_folder / name).is_file()]
    if not found:
        raise UserError(f"{fold_folder} holds no checkpoint")
    log = _logging_of(found[0])
    if log.get(DICE):
        log = with_overlaps(log)
    curves = {key: tuple(map(float, log[key])) for key in QUANTITIES if log.get(key)}
    return TrainingLog(fold_folder.name.removeprefix("fold_"), curves, found[0].name == FINAL, _hours(log))


def read_logs(model: TrainedModel) -> tuple[list[TrainingLog], list[str]]:
    """The logs of all folds that have been begun, and why those that are missing are."""
    logs, reasons = [], []
    for fold in model.trained_folds:
        try:
            logs.append(read_log(model.fold_folder(fold)))
        except UserError as error:
            reasons.append(str(error))
    return logs, reasons


def _logging_of(checkpoint: Path) -> dict[str, list[Any]]:
    """Like nnU-Net, this unpickles the file: reports are for checkpoints that one would also predict with."""
    try:
        try:
            content = torch.load(checkpoint, map_location="cpu", weights_only=False, mmap=True)
        except RuntimeError:  # files of an older format cannot be mapped into memory
            content = torch.load(checkpoint, map_location="cpu", weights_only=False)
        log = content["logging"]
        return {str(key): list(values) for key, values in log.items()}
    except (
        OSError,
        RuntimeError,
        EOFError,
        pickle.UnpicklingError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{checkpoint} holds no log of nnU-Net's that can be read: {reason}") from error


def _hours(log: Mapping[str, list[Any]]) -> float | None:
    starts, ends = log.get("epoch_start_timestamps", []), log.get("epoch_end_timestamps", [])
    if not ends:
        return None
    return float(sum(end - start for start, end in zip(starts, ends, strict=False))) / 3600
