"""What nnU-Net logged of a training, epoch by epoch: it keeps this in its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from nnunetv2_raemd.errors import UserError, reason_of
from nnunetv2_raemd.nnunet_files.checkpoint import ReadCheckpoint, read_checkpoint
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
        n_parameters: weights of the network; None if the checkpoint holds none.
    """

    fold: str
    curves: Mapping[str, tuple[float, ...]]
    finished: bool
    hours: float | None
    n_parameters: int | None = None

    @property
    def n_epochs(self) -> int:
        """Epochs in the log."""
        return max((len(curve) for curve in self.curves.values()), default=0)


def read_log(fold_folder: Path, read: ReadCheckpoint = read_checkpoint) -> TrainingLog:
    """The log in the final checkpoint of a fold, or in the latest, or the best.

    IoU and F1 of trainings that did not log them follow from the logged Dice of each class.

    Raises:
        UserError: if there is no checkpoint, it cannot be read, or it holds no log of nnU-Net's.
    """
    found = [fold_folder / name for name in _CHECKPOINTS if (fold_folder / name).exists()]
    if not found:
        raise UserError(f"{fold_folder} contains no checkpoint")
    content = read(found[0])
    fold, finished = fold_folder.name.removeprefix("fold_"), found[0].name == FINAL
    try:
        log = {str(key): list(values) for key, values in content["logging"].items()}
        if log.get(DICE):
            log = with_overlaps(log)
        curves = {key: tuple(map(float, log[key])) for key in QUANTITIES if log.get(key)}
        return TrainingLog(fold, curves, finished, _hours(log), _parameters(content))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise UserError(f"{found[0]} contains no log of nnU-Net: {reason_of(error)[:200]}") from error


def read_logs(
    model: TrainedModel, read: ReadCheckpoint = read_checkpoint
) -> tuple[list[TrainingLog], list[str]]:
    """The logs of all folds that have been begun, and why those that are missing are."""
    logs, reasons = [], []
    for fold in model.trained_folds:
        try:
            logs.append(read_log(model.fold_folder(fold), read))
        except UserError as error:
            reasons.append(str(error))
    return logs, reasons


def _hours(log: Mapping[str, list[Any]]) -> float | None:
    starts, ends = log.get("epoch_start_timestamps", []), log.get("epoch_end_timestamps", [])
    if not ends:
        return None
    return float(sum(end - start for start, end in zip(starts, ends, strict=False))) / 3600


def _parameters(content: Mapping[str, Any]) -> int | None:
    """Numbers in the weights; networks of nnU-Net's list those of the encoder twice, which count once."""
    weights = content.get("network_weights")
    if not isinstance(weights, Mapping):
        return None
    tensors = [value for value in weights.values() if isinstance(value, Tensor)]
    sizes = {(t.untyped_storage().data_ptr(), t.storage_offset()): t.numel() for t in tensors}
    return sum(sizes.values()) or None
