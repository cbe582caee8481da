"""IoU and F1 of every epoch, beside the Dice that nnU-Net logs (figures 6 and 7 of the paper).

Both follow from the Dice coefficient of the same voxels: F1 is another name for it, and IoU is
Dice / (2 - Dice). So they hold on all ranks, and the log of a training begun without them can be completed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

DICE = "dice_per_class_or_region"
IOU = "iou_per_class_or_region"
MEAN_IOU = "mean_fg_iou"
MEAN_F1 = "mean_fg_f1"


def overlaps_of_epoch(dice_per_class: Sequence[float]) -> dict[str, Any]:
    """The values to log for an epoch; means leave out classes neither predicted nor there (NaN)."""
    dice = np.asarray(dice_per_class, dtype=float)
    iou = dice / (2 - dice)
    return {IOU: iou.tolist(), MEAN_IOU: float(np.nanmean(iou)), MEAN_F1: float(np.nanmean(dice))}


def with_overlaps(log: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """nnU-Net's log (a list per key, an entry per epoch) with IoU and F1 of all its epochs."""
    epochs = [overlaps_of_epoch(dice) for dice in log[DICE]]
    return log | {key: [epoch[key] for epoch in epochs] for key in (IOU, MEAN_IOU, MEAN_F1)}
