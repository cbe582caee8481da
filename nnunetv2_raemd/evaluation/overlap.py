"""Voxel by voxel: true and false positives and negatives, and the ratios made of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nnunetv2_raemd.volumes.boxes import Mask


@dataclass(frozen=True)
class Overlap:
    """Voxels that count, by what reference and prediction say of them."""

    tp: int
    fp: int
    fn: int
    tn: int


def count_overlap(reference: Mask, prediction: Mask, *, n_voxels: int) -> Overlap:
    """Count the voxels of two masks of one shape.

    Args:
        n_voxels: all voxels that count, those outside the arrays too: the masks may be cropped.
    """
    tp = int(np.count_nonzero(reference & prediction))
    fp = int(np.count_nonzero(prediction)) - tp
    fn = int(np.count_nonzero(reference)) - tp
    return Overlap(tp, fp, fn, n_voxels - tp - fp - fn)


def overlap_metrics(overlap: Overlap, *, voxel_mm3: float) -> dict[str, float]:
    """All metrics that follow from the counts, by `metrics.Metric.key`.

    F1 of voxels is Dice by definition; both are given because the paper's Table 3 has both.
    """
    tp, fp, fn, tn = overlap.tp, overlap.fp, overlap.fn, overlap.tn
    error_ml = (fp - fn) * voxel_mm3 / 1000
    dice = ratio(2 * tp, 2 * tp + fp + fn)
    return {
        "dice": dice,
        "iou": ratio(tp, tp + fp + fn),
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, tp + fn),
        "f1": dice,
        "fpr": ratio(fp, fp + tn),
        "specificity": ratio(tn, fp + tn),
        "volume_error_ml": error_ml,
        "absolute_volume_error_ml": abs(error_ml),
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "tn": tn,
        "n_pred": tp + fp,
        "n_ref": tp + fn,
    }


def ratio(part: float, whole: float) -> float:
    """`part / whole`; NaN where there is nothing to divide by."""
    return part / whole if whole else math.nan
