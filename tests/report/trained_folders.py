"""nnU-Net's folders as trainings leave them, made without any training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from nnunetv2.training.logging.nnunet_logger import LocalLogger
from numpy.typing import NDArray

SPACING_MM = (2.5, 0.8, 0.8)  # z, y, x
SHAPE = (12, 48, 40)
NAME = "Dataset702_Report"


def log_of(n_epochs: int, seed: int) -> dict[str, list[Any]]:
    """What nnU-Net 2.8's own logger holds after that many epochs of one class: no IoU, no F1."""
    rng = np.random.default_rng(seed)
    logger = LocalLogger()
    for epoch in range(n_epochs):
        dice = np.float64(1 - 0.9 / (1 + epoch) - 0.05 * rng.random())
        values = {
            "train_losses": np.float32(-dice),
            "val_losses": np.float32(-dice + 0.1),
            "mean_fg_dice": dice,
            "ema_fg_dice": dice,
            "dice_per_class_or_region": [dice],
            "lrs": 0.01 * 0.9**epoch,
            "epoch_start_timestamps": 100.0 * epoch,
            "epoch_end_timestamps": 100.0 * epoch + 90,
        }
        for key, value in values.items():
            logger.log(key, value, epoch)
    return logger.get_checkpoint()


def ball(centre: Sequence[float], radius_mm: float, shape: Sequence[int] = SHAPE) -> NDArray[np.bool_]:
    """Voxels of a ball, its centre in voxels (z, y, x)."""
    grid = np.indices(shape).transpose(1, 2, 3, 0)
    return np.asarray((((grid - centre) * SPACING_MM) ** 2).sum(-1) < radius_mm**2)


def write_volume(voxels: NDArray[Any], file: Path) -> None:
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(SPACING_MM[::-1])
    file.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(file), True)


@dataclass(frozen=True)
class TrainedFolders:
    """nnU-Net's three folders with one dataset; cases are `case_<fold>_<i>`."""

    root: Path

    @property
    def raw(self) -> Path:
        return self.root / "raw" / NAME

    @property
    def preprocessed(self) -> Path:
        return self.root / "preprocessed" / NAME

    @property
    def results(self) -> Path:
        return self.root / "results" / NAME

    def fold(self, trainer: str, fold: int) -> Path:
        return self.results / f"{trainer}__nnUNetPlans__2d" / f"fold_{fold}"

    def add_dataset(self, cases: Sequence[Sequence[str]], label: str = "nodule") -> None:
        """Images, references and splits; each case has a nodule at another place, brighter than the rest."""
        content = {
            "channel_names": {"0": "CT"},
            "labels": {"background": 0, label: 1},
            "file_ending": ".nii.gz",
        }
        for folder in (self.raw, self.preprocessed, self.results):
            folder.mkdir(parents=True)
            (folder / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
        parts = [{"train": [], "val": list(fold)} for fold in cases]
        (self.preprocessed / "splits_final.json").write_text(json.dumps(parts), encoding="utf-8")
        rng = np.random.default_rng(0)
        for i, case in enumerate(case for fold in cases for case in fold):
            mask = self.nodule(i)
            hu = rng.normal(-800, 20, SHAPE) + 850 * mask
            write_volume(hu.astype(np.int16), self.raw / "imagesTr" / f"{case}_0000.nii.gz")
            write_volume(mask.astype(np.uint8), self.preprocessed / "gt_segmentations" / f"{case}.nii.gz")

    def nodule(self, i: int, shift: float = 0) -> NDArray[np.bool_]:
        """The nodule of the i-th case, or one beside it."""
        return ball((5, 16 + 2 * (i % 5) + shift, 18), 6.5)

    def add_training(
        self, trainer: str, fold: int, cases: Sequence[str], *, shift: float, first: int
    ) -> None:
        """Checkpoint, settings and predictions, the nodules `shift` voxels (more for later cases) off."""
        folder = self.fold(trainer, fold)
        for i, case in enumerate(cases):
            mask = self.nodule(first + i, shift + i)
            write_volume(mask.astype(np.uint8), folder / "validation" / f"{case}.nii.gz")
        torch.save(
            {"logging": log_of(4 + fold, fold), "network_weights": {}}, folder / "checkpoint_final.pth"
        )
        debug = {"loss": "DC_and_CE_loss(\n)", "optimizer": "Adam (\nx)", "num_epochs": "9", "device": "cpu"}
        (folder / "debug.json").write_text(json.dumps(debug), encoding="utf-8")
        plan = {"patch_size": [8, 32, 32], "batch_size": 2, "spacing": [0.8, 0.8]}
        plans = {"configurations": {"2d": plan}, "raemd": {"version": "0.1.0"}}
        (folder.parent / "plans.json").write_text(json.dumps(plans), encoding="utf-8")


def make_trained_folders(root: Path, trainers: dict[str, float], *, n_folds: int = 2) -> TrainedFolders:
    """Three cases a fold; `trainers` says by how many voxels each is off."""
    folders = TrainedFolders(root)
    cases = [[f"case_{fold}_{i}" for i in range(3)] for fold in range(n_folds)]
    folders.add_dataset(cases)
    for trainer, shift in trainers.items():
        for fold, names in enumerate(cases):
            folders.add_training(trainer, fold, names, shift=shift, first=3 * fold)
    return folders
