"""Where Dice is lost: in the nodule's slices, in what is joined to the nodule beyond them, or elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from cubes_dataset import DATASET
from scipy import ndimage

COLUMNS = {
    "dice": "Dice",
    "dice_in_slices": "Dice in the nodule's slices",
    "missed": "missed",
    "joined": "false, joined to it",
    "apart": "false, apart",
}


def false_volumes(root: Path, models: Mapping[str, tuple[str, int]]) -> str:
    """A table with a line per system: means over cases and seeds, volumes as shares of the nodule's."""
    results = root / "nnUNet_results" / DATASET
    rows = [
        {"system": system, **volume_shares(voxels(file), voxels(reference_of(file, root)))}
        for model, (system, _) in models.items()
        for file in sorted((results / model).glob("fold_*/validation/*.nii.gz"))
    ]
    means = pd.DataFrame(rows, columns=["system", *COLUMNS]).groupby("system", sort=False).mean()
    lines = ["| system | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for system, row in means.iterrows():
        lines.append(f"| {system} | " + " | ".join(f"{value:.3f}" for value in row) + " |")
    return "\n".join(lines)


def volume_shares(predicted: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Both (slice, row, column), boolean; the reference is not empty."""
    slices = reference.any((1, 2))
    components, _ = ndimage.label(predicted)
    joined = np.isin(components, np.unique(components[predicted & reference])) & predicted
    volume = reference.sum()
    return {
        "dice": dice(predicted, reference),
        "dice_in_slices": dice(predicted[slices], reference[slices]),
        "missed": float((reference & ~predicted).sum() / volume),
        "joined": float((joined & ~reference).sum() / volume),
        "apart": float((predicted & ~joined).sum() / volume),
    }


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Of two masks that are not both empty."""
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def reference_of(segmentation: Path, root: Path) -> Path:
    """The reader's mask of a case."""
    return root / "nnUNet_raw" / DATASET / "labelsTr" / segmentation.name


def voxels(file: Path) -> np.ndarray:
    """(slice, row, column), boolean."""
    foreground: np.ndarray = sitk.GetArrayFromImage(sitk.ReadImage(str(file))) > 0
    return foreground
