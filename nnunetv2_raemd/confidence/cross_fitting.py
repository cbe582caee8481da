"""Confidences that no case's own group had a part in: what is reported is never fitted on itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnunetv2_raemd.confidence.confidence_model import FEATURES, ConfidenceModel, fit_model
from nnunetv2_raemd.confidence.lesion_evidence import CaseEvidence, ScoredCase, grouped


def fit_on(cases: Sequence[CaseEvidence]) -> ConfidenceModel:
    """The model of all lesions of these cases."""
    features = np.concatenate([np.zeros((0, len(FEATURES))), *(case.features for case in cases)])
    return fit_model(features, [real for case in cases for real in case.real])


def scored_by_others(cases: Sequence[CaseEvidence]) -> list[ScoredCase]:
    """Each case with confidences by the model of all other groups."""
    groups = grouped(cases)
    models = {
        group: fit_on([case for case, own in zip(cases, groups, strict=True) if own != group])
        for group in set(groups)
    }
    return [scored(case, models[group]) for case, group in zip(cases, groups, strict=True)]


def scored(case: CaseEvidence, model: ConfidenceModel) -> ScoredCase:
    """A case with the confidences of a model."""
    confidences = model.confidences(case.features.reshape(-1, len(FEATURES)))
    return ScoredCase(tuple(confidences.tolist()), case.touched, case.n_lesions)
