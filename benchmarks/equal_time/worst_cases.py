"""The ten nodules that RAEMD-Net segments worst, in the paper's colours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import SimpleITK as sitk
from cubes_dataset import DATASET
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

LUNG_WINDOW_HU = (-1350, 150)
COLOURS = {"RAEMD-Net": "red", "nnU-Net 2d": "yellow"}
N_SHOWN = 10


def draw_worst(table: pd.DataFrame, root: Path, models: Mapping[str, tuple[str, int]], picture: Path) -> None:
    """Draw each at the slice where the reader's mask is largest.

    `table` has a row per case and training, `models` the system and seed of each model.
    """
    proposed = table[table["system"] == "RAEMD-Net"]
    worst = proposed.groupby("case")["dice"].mean().nsmallest(N_SHOWN)
    fold_of = dict(zip(proposed["case"], proposed["fold"], strict=True))
    figure = Figure(figsize=(12, 5.6), layout="constrained")
    for axes, (case, dice) in zip(figure.subplots(2, N_SHOWN // 2).flat, worst.items(), strict=True):
        _draw(axes, str(case), f"fold_{fold_of[case]}", root, models)
        axes.set_title(f"{str(case).replace('_ann0', '')}: {dice:.2f}", fontsize=9)
    lines = [Line2D([], [], color=c, label=n) for n, c in {"reader": "lime", **COLOURS}.items()]
    figure.legend(handles=lines, loc="outside upper center", ncols=len(lines))
    with mpl.rc_context({"axes.facecolor": "black"}):
        figure.savefig(picture, dpi=80)


def _draw(axes: Axes, case: str, fold: str, root: Path, models: Mapping[str, tuple[str, int]]) -> None:
    raw = root / "nnUNet_raw" / DATASET
    image, reader = (
        _voxels(raw / name) for name in (f"imagesTr/{case}_0000.nii.gz", f"labelsTr/{case}.nii.gz")
    )
    shown = int(reader.sum(axis=(1, 2)).argmax())
    axes.imshow(image[shown], cmap="gray", vmin=LUNG_WINDOW_HU[0], vmax=LUNG_WINDOW_HU[1])
    masks = {"lime": reader}
    for model, (system, seed) in models.items():
        if system in COLOURS and seed == 0:
            file = root / "nnUNet_results" / DATASET / model / fold / "validation" / f"{case}.nii.gz"
            masks[COLOURS[system]] = _voxels(file)
    for colour, mask in masks.items():
        if mask[shown].any():
            axes.contour(mask[shown], levels=[0.5], colors=[colour], linewidths=1)
    axes.set_axis_off()


def _voxels(file: Path) -> np.ndarray:
    """(slice, row, column)"""
    voxels: np.ndarray = sitk.GetArrayFromImage(sitk.ReadImage(str(file)))
    return voxels
