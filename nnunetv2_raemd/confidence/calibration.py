"""What is known, after cross-validation, of how far a model's predictions can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nnunetv2_raemd.confidence.calibration_quality import (
    Reliability,
    RiskCoverage,
    reliability,
    risk_coverage,
)
from nnunetv2_raemd.confidence.confidence_model import ConfidenceModel
from nnunetv2_raemd.confidence.cross_fitting import fit_on, scored_by_others
from nnunetv2_raemd.confidence.lesion_evidence import CaseEvidence, ScoredCase, grouped
from nnunetv2_raemd.confidence.split_check import SplitCheck, check_false_positives, check_sensitivity
from nnunetv2_raemd.confidence.unlike_scans import TrainingScans
from nnunetv2_raemd.confidence.voxel_temperature import (
    VoxelCounts,
    fit_temperature,
    total,
    voxel_reliability,
)
from nnunetv2_raemd.nnunet_files.label_set import Target


@dataclass(frozen=True)
class LabelQuality:
    """How good the calibration is on cases that it was not fitted on.

    Attributes:
        lesions: of the confidences; `uncalibrated` of the maximum probabilities in their place.
        voxels: of voxel probabilities at the temperature of the other groups; `unscaled` as they are.
        checks: of operating points.
    """

    lesions: Reliability
    uncalibrated: Reliability
    risk: RiskCoverage
    uncalibrated_risk: RiskCoverage
    voxels: Reliability
    unscaled: Reliability
    checks: tuple[SplitCheck, ...]


@dataclass(frozen=True)
class LabelCalibration:
    """One label or region.

    Attributes:
        temperature, model: fitted on all cases, for new scans.
        cases: with confidences by models that never saw them: what operating points are chosen on.
        quality: None where it was not rated.
    """

    target: Target
    temperature: float
    model: ConfidenceModel
    cases: tuple[ScoredCase, ...]
    quality: LabelQuality | None = None


@dataclass(frozen=True)
class Calibration:
    """All of a model.

    Attributes:
        folds: whose validation cases it rests on.
        training: None where their images were not found.
        trainings: what tells the training of each fold from others, where it is known.
    """

    folds: tuple[str, ...]
    case_ids: tuple[str, ...]
    labels: tuple[LabelCalibration, ...]
    training: TrainingScans | None
    trainings: Mapping[str, str] = field(default_factory=dict)


def calibrate_label(
    target: Target, cases: Sequence[CaseEvidence], counts: Sequence[VoxelCounts]
) -> LabelCalibration:
    """Fit on all cases, and rate each case by what was fitted on the groups of others.

    Args:
        counts: of the voxels of each case.
    """
    scored = scored_by_others(cases)
    confidences = [value for case in scored for value in case.confidences]
    highest = [float(value) for case in cases for value in case.maximum_probability]
    real = [found for case in cases for found in case.real]
    truth = np.asarray(real, float)
    groups = grouped(cases)
    parts = _by_group(counts, groups)
    quality = LabelQuality(
        reliability(np.asarray(confidences), truth),
        reliability(np.asarray(highest), truth),
        risk_coverage(confidences, real),
        risk_coverage(highest, real),
        voxel_reliability(parts),
        voxel_reliability([(own, 1.0) for own, _ in parts]),
        (check_false_positives(scored), check_sensitivity(scored)),
    )
    return LabelCalibration(target, fit_temperature(total(counts)), fit_on(cases), tuple(scored), quality)


def _by_group(counts: Sequence[VoxelCounts], groups: Sequence[str]) -> list[tuple[VoxelCounts, float]]:
    """The voxels of each group, with the temperature of all others."""
    parts = []
    for group in sorted(set(groups)):
        own = total(n for n, of in zip(counts, groups, strict=True) if of == group)
        others = total(n for n, of in zip(counts, groups, strict=True) if of != group)
        parts.append((own, fit_temperature(others)))
    return parts
