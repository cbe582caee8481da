"""What post-processing is chosen by: one number per case."""

from __future__ import annotations

import math

from nnunetv2_raemd.evaluation.lesion_matching import lesion_metrics, match_lesions
from nnunetv2_raemd.evaluation.overlap import count_overlap, overlap_metrics
from nnunetv2_raemd.postprocessing.postprocessing_choices import Objective
from nnunetv2_raemd.volumes.boxes import Mask
from nnunetv2_raemd.volumes.components import find_components


def score(reference: Mask, prediction: Mask, objective: Objective) -> float:
    """The objective of one case, 0 to 1: Dice, or the mean of Dice and the F1 of whole lesions.

    A case without a lesion in which none is predicted is right: it scores 1, where the metrics are NaN.
    """
    counts = count_overlap(reference, prediction, n_voxels=reference.size)
    dice = _one_where_undefined(overlap_metrics(counts, voxel_mm3=1)["dice"])
    if objective is Objective.DICE:
        return dice
    lesions = match_lesions(find_components(reference), find_components(prediction), voxel_mm3=1)
    return (dice + _one_where_undefined(lesion_metrics(*lesions)["lesion_f1"])) / 2


def _one_where_undefined(value: float) -> float:
    return 1.0 if math.isnan(value) else value
