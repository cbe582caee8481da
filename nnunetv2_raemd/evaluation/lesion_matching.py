"""Lesion by lesion: which components of the reference are detected, and what is predicted besides.

Matching rule: a predicted component belongs to every lesion with which it shares a voxel. So a split lesion
is detected once, in several pieces; lesions merged by one component are all detected, each with a poor Dice;
and a component that shares no voxel with any lesion is a false one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from scipy.sparse import csr_array

from nnunetv2_raemd.evaluation.case_results import FalseLesion, Lesion, VoxelIndex
from nnunetv2_raemd.evaluation.overlap import ratio
from nnunetv2_raemd.volumes.boxes import Box
from nnunetv2_raemd.volumes.components import Components, shared_voxels
from nnunetv2_raemd.volumes.continuity import slice_continuity


def match_lesions(
    reference: Components, prediction: Components, *, voxel_mm3: float, min_overlap: float = 0.0
) -> tuple[list[Lesion], list[FalseLesion]]:
    """The lesions of the reference, in order of its components, and the false ones.

    Args:
        min_overlap: fraction of a lesion that must be predicted for it to be detected, beside one voxel.
    """
    shared = shared_voxels(reference, prediction)
    lesions = [
        _lesion(reference, prediction, shared, i, voxel_mm3=voxel_mm3, min_overlap=min_overlap)
        for i in range(len(reference))
    ]
    hits = set(shared.indices.tolist())
    false = [
        FalseLesion(prediction.sizes[i] * voxel_mm3, centre(prediction, i))
        for i in range(len(prediction))
        if i not in hits
    ]
    return lesions, false


def lesion_metrics(lesions: list[Lesion], false_lesions: list[FalseLesion]) -> dict[str, float]:
    """The metrics of one case that are made of its lesions, by `metrics.Metric.key`.

    Lesion F1 is 2 TP / (2 TP + FP + FN) with the detected, false and missed lesions.
    """
    found = [lesion for lesion in lesions if lesion.detected]
    n_false = len(false_lesions)
    return {
        "lesion_sensitivity": ratio(len(found), len(lesions)),
        "lesion_precision": ratio(len(found), len(found) + n_false),
        "lesion_f1": ratio(2 * len(found), len(found) + len(lesions) + n_false),
        "false_lesions": n_false,
        "lesion_dice": mean_of_defined(lesion.dice for lesion in found),
        "one_piece": mean_of_defined(float(lesion.pieces == 1) for lesion in found),
        "continuity": mean_of_defined(lesion.continuity for lesion in found),
    }


def mean_of_defined(values: Iterable[float]) -> float:
    """The mean of all that is not NaN; NaN where nothing is left."""
    kept = [value for value in values if not math.isnan(value)]
    return sum(kept) / len(kept) if kept else math.nan


def centre(components: Components, i: int) -> VoxelIndex:
    """Centre of mass of one component in voxels."""
    z, y, x = components.centres[i].tolist()
    return z, y, x


def _lesion(
    reference: Components,
    prediction: Components,
    shared: csr_array,
    i: int,
    *,
    voxel_mm3: float,
    min_overlap: float,
) -> Lesion:
    row = slice(shared.indptr[i], shared.indptr[i + 1])
    touching, n_shared = shared.indices[row].tolist(), int(shared.data[row].sum())
    n_lesion = reference.sizes[i]
    detected = n_shared > 0 and n_shared >= min_overlap * n_lesion
    dice = continuity = math.nan
    if detected:
        dice = 2 * n_shared / (n_lesion + sum(prediction.sizes[j] for j in touching))
        continuity = _continuity(reference, prediction, i, touching)
    return Lesion(n_lesion * voxel_mm3, centre(reference, i), detected, dice, len(touching), continuity)


def _continuity(reference: Components, prediction: Components, i: int, touching: list[int]) -> float:
    box = _hull([prediction.boxes[j] for j in touching])
    predicted = np.isin(prediction.numbers[box], [j + 1 for j in touching])
    return slice_continuity(reference.numbers[reference.boxes[i]] == i + 1, predicted)


def _hull(boxes: list[Box]) -> Box:
    starts = [min(box[axis].start for box in boxes) for axis in range(3)]
    stops = [max(box[axis].stop for box in boxes) for axis in range(3)]
    z, y, x = (slice(start, stop) for start, stop in zip(starts, stops, strict=True))
    return z, y, x
