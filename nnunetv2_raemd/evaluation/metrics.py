"""The catalogue of metrics: what each is called, its unit, and which direction is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower", "zero", "neither"]


@dataclass(frozen=True)
class Metric:
    """One number per case and target.

    Attributes:
        key: its name in `TargetResult.metrics` and in all files.
        heading: its name in tables.
        unit: empty for a ratio or a count.
        undefined: when it is NaN or infinite.
        digits: decimals in tables.
    """

    key: str
    heading: str
    better: Better
    undefined: str
    unit: str = ""
    digits: int = 3

    @property
    def meaning(self) -> str:
        """What it is, spelled out."""
        return _MEANINGS[self.key]

    @property
    def is_share(self) -> bool:
        """Whether it always lies between 0 and 1; continuity may exceed 1."""
        return self.better == "higher" and self.key != "continuity"

    @property
    def title(self) -> str:
        """Heading with unit."""
        return f"{self.heading} ({self.unit})" if self.unit else self.heading


_NO_VOXELS = "NaN where reference and prediction are empty"
_NO_REFERENCE = "NaN where the reference is empty"
_NO_PREDICTION = "NaN where the prediction is empty"
_DISTANCE = f"{_NO_VOXELS}, infinite where one of them is"
_NO_LESION = "NaN where the reference has no lesion"
_NONE_FOUND = "NaN where no lesion is detected"

_MEANINGS = {
    "dice": "Dice similarity coefficient, 2 TP / (2 TP + FP + FN), counted in voxels",
    "iou": "Intersection over union (Jaccard index), TP / (TP + FP + FN)",
    "precision": "Share of predicted voxels that the reference contains, TP / (TP + FP)",
    "recall": "Share of reference voxels that are predicted (sensitivity), TP / (TP + FN)",
    "f1": "Harmonic mean of precision and recall; in voxels, F1 equals Dice",
    "fpr": "False-positive rate, the share of background voxels that are predicted, FP / (FP + TN)",
    "specificity": "Share of background voxels that are not predicted, TN / (FP + TN)",
    "hd95_mm": "95th percentile of the Hausdorff distance between the two surfaces",
    "assd_mm": "Average symmetric surface distance",
    "volume_error_ml": "Predicted volume minus reference volume",
    "absolute_volume_error_ml": "Difference between the two volumes, without its sign",
    "lesion_sensitivity": "Share of the lesions in the reference that are detected",
    "lesion_precision": "Detected lesions / (detected lesions + false lesions)",
    "lesion_f1": "Harmonic mean of lesion sensitivity and lesion precision",
    "false_lesions": "Predicted components that touch no lesion of the reference",
    "lesion_dice": "Mean Dice of the detected lesions",
    "one_piece": "Share of detected lesions that are predicted as one component",
    "continuity": "Dice of neighboring slices in the prediction, relative to the reference; mean of lesions",
    "tp": "True-positive voxels",
    "fp": "False-positive voxels",
    "fn": "False-negative voxels",
    "tn": "True-negative voxels",
    "n_pred": "Predicted voxels",
    "n_ref": "Voxels of the reference",
}

METRICS: tuple[Metric, ...] = (
    Metric("dice", "Dice", "higher", _NO_VOXELS),
    Metric("iou", "IoU", "higher", _NO_VOXELS),
    Metric("precision", "Precision", "higher", _NO_PREDICTION),
    Metric("recall", "Recall", "higher", _NO_REFERENCE),
    Metric("f1", "F1", "higher", _NO_VOXELS),
    Metric("fpr", "FPR", "lower", "NaN where the reference fills the image", digits=6),
    Metric("specificity", "Specificity", "higher", "NaN where the reference fills the image", digits=6),
    Metric("hd95_mm", "HD95", "lower", _DISTANCE, "mm", 2),
    Metric("assd_mm", "ASSD", "lower", _DISTANCE, "mm", 2),
    Metric("volume_error_ml", "Volume error", "zero", "never", "ml", 2),
    Metric("absolute_volume_error_ml", "Absolute volume error", "lower", "never", "ml", 2),
    Metric("lesion_sensitivity", "Lesion sensitivity", "higher", _NO_LESION),
    Metric("lesion_precision", "Lesion precision", "higher", "NaN where no lesion is predicted"),
    Metric("lesion_f1", "Lesion F1", "higher", "NaN where there is no lesion in either"),
    Metric("false_lesions", "False lesions", "lower", "never", digits=2),
    Metric("lesion_dice", "Dice of detected lesions", "higher", _NONE_FOUND),
    Metric("one_piece", "In one piece", "higher", _NONE_FOUND),
    Metric("continuity", "Slice continuity", "higher", "NaN where no detected lesion spans two slices"),
    Metric("tp", "TP", "neither", "never", "voxels", 0),
    Metric("fp", "FP", "neither", "never", "voxels", 0),
    Metric("fn", "FN", "neither", "never", "voxels", 0),
    Metric("tn", "TN", "neither", "never", "voxels", 0),
    Metric("n_pred", "Predicted", "neither", "never", "voxels", 0),
    Metric("n_ref", "Reference", "neither", "never", "voxels", 0),
)

BY_KEY = {metric.key: metric for metric in METRICS}

PAPER_METRICS: tuple[Metric, ...] = tuple(
    BY_KEY[key] for key in ("dice", "iou", "precision", "recall", "f1", "fpr", "hd95_mm", "assd_mm")
)
"""The columns of the paper's Table 3."""

RATED_METRICS: tuple[Metric, ...] = tuple(metric for metric in METRICS if metric.better != "neither")
"""All but the counts of voxels."""
