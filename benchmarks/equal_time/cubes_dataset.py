"""The cubes of real nodules as an nnU-Net dataset with five folds."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

DATASET_ID = 700
DATASET = f"Dataset{DATASET_ID}_RealNodules"
N_FOLDS = 5
SPLIT_SEED = 12345
TEXTURES = {"1": "ground glass", "2": "part-solid", "3": "part-solid", "4": "part-solid", "5": "solid"}


def write_dataset(data: Path, raw: Path) -> None:
    """Write `cubes.npz` (image_hu, mask, name; 1 mm voxels) as a raw dataset of nnU-Net."""
    folder = raw / DATASET
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    cubes = np.load(data / "cubes.npz")
    for name, image, mask in zip(cubes["name"], cubes["image_hu"], cubes["mask"], strict=True):
        sitk.WriteImage(sitk.GetImageFromArray(image), folder / "imagesTr" / f"{name}_0000.nii.gz")
        sitk.WriteImage(sitk.GetImageFromArray(mask), folder / "labelsTr" / f"{name}.nii.gz")
    description = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "nodule": 1},
        "numTraining": len(cubes["name"]),
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(description, indent=2), encoding="utf-8")
    # nnU-Net takes the splits from here when it plans
    splits = five_folds([str(name) for name in cubes["name"]])
    (folder / "splits_final.json").write_text(json.dumps(splits, indent=2), encoding="utf-8")


def five_folds(names: list[str]) -> list[dict[str, list[str]]]:
    """nnU-Net's splits; there is one nodule of each patient."""
    shuffled = np.random.default_rng(SPLIT_SEED).permutation(len(names))
    folds = [sorted(names[i] for i in shuffled[fold::N_FOLDS]) for fold in range(N_FOLDS)]
    return [{"train": sorted(set(names) - set(fold)), "val": fold} for fold in folds]


def nodules(data: Path) -> dict[str, dict[str, Any]]:
    """Per nodule its equivalent diameter in mm and its texture, as rated by the reader."""
    cubes = np.load(data / "cubes.npz")
    voxels = cubes["mask"].sum(axis=(1, 2, 3))
    diameters = np.cbrt(6 * voxels / np.pi)
    with (data / "ratings.csv").open(encoding="utf-8", newline="") as file:
        texture = {row["name"]: TEXTURES[row["texture"]] for row in csv.DictReader(file)}
    return {
        str(name): {"diameter_mm": float(diameter), "texture": texture[str(name)]}
        for name, diameter in zip(cubes["name"], diameters, strict=True)
    }
