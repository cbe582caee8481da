"""The candidates of the FROC: what a probability map calls likely, and the lesions that it hits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.evaluation.case_results import Candidate
from nnunetv2_raemd.evaluation.evaluation_options import EvaluationOptions
from nnunetv2_raemd.evaluation.froc_choices import CandidateScore, HitRule
from nnunetv2_raemd.evaluation.lesion_matching import centre
from nnunetv2_raemd.volumes.balls import ball_diameter_mm
from nnunetv2_raemd.volumes.components import Components, find_components, shared_voxels
from nnunetv2_raemd.volumes.region import Region


def find_candidates(
    region: Region, lesions: Components, *, spacing_mm: Sequence[float], options: EvaluationOptions
) -> tuple[Candidate, ...]:
    """The components of what is above the threshold in a probability map, and the lesions that each hits.

    Args:
        region: what is above `options.candidate_threshold`.
        lesions: components of the reference of the same image.
    """
    found = find_components(region.mask, region.start)
    if options.hit_rule is HitRule.OVERLAP:
        shared = shared_voxels(found, lesions)
        hits = [shared.indices[shared.indptr[i] : shared.indptr[i + 1]].tolist() for i in range(len(found))]
    else:
        hits = _hits_by_centre(found, lesions, spacing_mm)
    scores = _scores(region, found, options.candidate_score)
    return tuple(
        Candidate(score, centre(found, i), tuple(hits[i])) for i, score in enumerate(scores.tolist())
    )


def _scores(region: Region, found: Components, rule: CandidateScore) -> NDArray[np.floating[Any]]:
    """The score of each component."""
    numbers = found.numbers[region.mask].astype(np.intp) - 1
    if rule is CandidateScore.MEAN:
        return np.bincount(numbers, region.probability, len(found)) / found.n_voxels
    highest = np.zeros(len(found), region.probability.dtype)
    np.maximum.at(highest, numbers, region.probability)
    return highest


def _hits_by_centre(found: Components, lesions: Components, spacing_mm: Sequence[float]) -> list[list[int]]:
    """The lesions within whose radius the centre of each candidate lies; LUNA16 counts the rim as outside."""
    voxel_mm3 = float(np.prod(spacing_mm))
    radii_mm = np.asarray([ball_diameter_mm(n * voxel_mm3) / 2 for n in lesions.sizes])

    def hit_from(place: NDArray[np.float64]) -> list[int]:
        distances_mm = np.linalg.norm((lesions.centres - place) * spacing_mm, axis=1)
        return np.flatnonzero(distances_mm < radii_mm).tolist()

    return [hit_from(place) for place in found.centres]
