"""Small segmentations as arrays and files, and nnU-Net's folders made of them without any training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

SPACING_MM = (2.5, 0.8, 0.5)  # z, y, x: all different, so that a mix-up shows
SHAPE = (8, 20, 24)
ORIGIN_MM = (-20.0, 13.5, -702.25)

Array = NDArray[Any]


def block(*corners: tuple[Sequence[int], Sequence[int]], shape: Sequence[int] = SHAPE) -> Array:
    """A mask of blocks, each given by its first voxel and the one after its last."""
    mask = np.zeros(shape, bool)
    for first, end in corners:
        mask[tuple(slice(a, b) for a, b in zip(first, end, strict=True))] = True
    return mask


def write_labels(
    labels: Array,
    file: Path,
    *,
    spacing_mm: Sequence[float] = SPACING_MM,
    origin_mm: Sequence[float] = ORIGIN_MM,
) -> Path:
    """Write (z, y, x) as an image."""
    image = sitk.GetImageFromArray(labels.astype(np.uint8))
    image.SetSpacing([float(s) for s in reversed(spacing_mm)])
    image.SetOrigin(origin_mm)
    file.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(file))
    return file


def noisy_labels(seed: int, n_labels: int = 1, shape: Sequence[int] = SHAPE) -> Array:
    """Blobs of random labels, with background between."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 3 * n_labels + 1, [-(-n // 4) for n in shape])
    labels = np.kron(coarse, np.ones((4, 4, 4), int))[tuple(slice(n) for n in shape)]
    labels[rng.random(shape) < 0.05] = 1
    return np.where(labels > n_labels, 0, labels)


@dataclass(frozen=True)
class NnunetFolders:
    """nnU-Net's three folders with dataset 701."""

    root: Path
    name: str = "Dataset701_Test"

    @property
    def results(self) -> Path:
        return self.root / "results" / self.name

    @property
    def preprocessed(self) -> Path:
        return self.root / "preprocessed" / self.name

    @property
    def references(self) -> Path:
        return self.preprocessed / "gt_segmentations"

    def validation(self, trainer: str, fold: object = 0, model: str = "nnUNetPlans__2d") -> Path:
        return self.results / f"{trainer}__{model}" / f"fold_{fold}" / "validation"

    def add_dataset(self, labels: dict[str, Any], splits: Sequence[Sequence[str]], **more: Any) -> None:
        """Dataset.json, splits and empty folders; references are the caller's."""
        for folder in (self.results, self.references, self.root / "raw" / self.name):
            folder.mkdir(parents=True)
        content = {"labels": labels, "file_ending": ".nii.gz", **more}
        (self.preprocessed / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
        parts = [{"train": [], "val": list(cases)} for cases in splits]
        (self.preprocessed / "splits_final.json").write_text(json.dumps(parts), encoding="utf-8")
