"""The picture the demonstration leaves: slices with the exact mask and both predictions."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nnunetv2_raemd.demo.workspace import SYSTEMS, Workspace
from nnunetv2_raemd.whole_files import whole_file

TRUTH_COLOUR = "lime"
LUNG_WINDOW_HU = (-1350, 150)
SLICE_OFFSETS = (-2, -1, 0, 1, 2)
MOST_SCANS = 4


def draw(workspace: Workspace) -> None:
    """Draw each of the first new scans at its largest lesion cross-section and the slices around it."""
    scans = sorted(workspace.new_scans.glob("*_0000.nii.gz"))[:MOST_SCANS]
    figure = Figure(figsize=(3 * len(SLICE_OFFSETS), 3 * len(scans) + 0.6), layout="constrained")
    axes = figure.subplots(len(scans), len(SLICE_OFFSETS), squeeze=False)
    for row, scan in zip(axes, scans, strict=True):
        _draw_scan(row, scan, workspace)
    colours = {"exact mask": TRUTH_COLOUR, **{system.name: system.colour for system in SYSTEMS}}
    lines = [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]
    figure.legend(handles=lines, loc="outside upper center", ncols=len(lines))
    with whole_file(workspace.picture) as making, mpl.rc_context({"axes.facecolor": "black"}):
        figure.savefig(making, dpi=80)


def _draw_scan(row: np.ndarray, scan: Path, workspace: Workspace) -> None:
    mask_name = scan.name.replace("_0000", "")
    image, truth = _voxels(scan), _voxels(workspace.exact_masks / mask_name)
    masks = {TRUTH_COLOUR: truth}
    masks |= {system.colour: _voxels(workspace.predictions(system) / mask_name) for system in SYSTEMS}
    largest = int(np.argmax(truth.astype(bool).sum((1, 2))))
    for axes, offset in zip(row, SLICE_OFFSETS, strict=True):
        index = min(max(largest + offset, 0), len(image) - 1)
        _draw_slice(axes, image[index], {colour: mask[index] for colour, mask in masks.items()})
        axes.set_title(f"slice {index}", fontsize=8)


def _draw_slice(axes: Axes, image: np.ndarray, masks: dict[str, np.ndarray]) -> None:
    axes.imshow(image, cmap="gray", vmin=LUNG_WINDOW_HU[0], vmax=LUNG_WINDOW_HU[1])
    for colour, mask in masks.items():
        if mask.any():
            axes.contour(mask, levels=[0.5], colors=[colour], linewidths=1)
    axes.set_axis_off()


def _voxels(file: Path) -> np.ndarray:
    """(slice, row, column)"""
    voxels: np.ndarray = sitk.GetArrayFromImage(sitk.ReadImage(str(file)))
    return voxels
