"""nnU-Net's folders after a cross-validation whose probabilities are drawn: real lesions mostly likelier."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

SHAPE, SPACING_MM = (14, 40, 40), (2.0, 1.0, 1.0)
MODEL = "nnUNetTrainerRAEMD__nnUNetPlans__2d"
CORNERS = ((2, 4, 4), (2, 4, 24), (2, 24, 4), (2, 24, 24), (9, 14, 14))


@dataclass(frozen=True)
class ValidatedFolders:
    """Dataset 701 in nnU-Net's three folders."""

    root: Path
    name: str = "Dataset701_Nodules"

    @property
    def model(self) -> Path:
        return self.root / "results" / self.name / MODEL

    @property
    def raw(self) -> Path:
        return self.root / "raw" / self.name


def write_image(array: np.ndarray, file: Path) -> None:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING_MM[::-1])
    file.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(file))


def make_validated(root: Path, *, n_cases: int = 24, n_folds: int = 3) -> ValidatedFolders:
    """Cases with lesions of 3 x 8 x 8 voxels at some of `CORNERS`: real, false and missed ones."""
    folders = ValidatedFolders(root)
    rng = np.random.default_rng(0)
    about = {"labels": {"background": 0, "nodule": 1}, "file_ending": ".nii.gz", "channel_names": {"0": "CT"}}
    for folder in (folders.raw, folders.root / "preprocessed" / folders.name, folders.model):
        folder.mkdir(parents=True)
        (folder / "dataset.json").write_text(json.dumps(about | {"numTraining": n_cases}), encoding="utf-8")
    cases = [f"case_{i:02d}" for i in range(n_cases)]
    splits = [{"train": [], "val": cases[fold::n_folds]} for fold in range(n_folds)]
    (folders.root / "preprocessed" / folders.name / "splits_final.json").write_text(json.dumps(splits))
    for i, case in enumerate(cases):
        _write_case(folders, rng, case, i % n_folds)
    return folders


def _write_case(folders: ValidatedFolders, rng: np.random.Generator, case: str, fold: int) -> None:
    reference = np.zeros(SHAPE, np.uint8)
    probability = np.full(SHAPE, 0.001, np.float32)
    for z, y, x in CORNERS:
        box = (slice(z, z + 3), slice(y, y + 8), slice(x, x + 8))
        kind = rng.choice(["real", "false", "missed", "nothing"], p=[0.4, 0.3, 0.05, 0.25])
        if kind in ("real", "missed"):
            reference[box] = 1
        if kind in ("real", "false"):
            level = rng.uniform(0.6, 0.99) if kind == "real" else rng.uniform(0.52, 0.8)
            probability[box] = level - 0.02 * rng.random((3, 8, 8))
    validation = folders.model / f"fold_{fold}" / "validation"
    write_image(
        reference, folders.root / "preprocessed" / folders.name / "gt_segmentations" / f"{case}.nii.gz"
    )
    write_image((probability > 0.5).astype(np.uint8), validation / f"{case}.nii.gz")
    np.savez_compressed(validation / f"{case}.npz", probabilities=np.stack([1 - probability, probability]))
    hu = rng.normal(-700, 80, SHAPE).astype(np.int16)
    write_image(hu, folders.raw / "imagesTr" / f"{case}_0000.nii.gz")
