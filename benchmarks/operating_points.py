"""Whether operating points keep their promise on phantom scans, over 200 random splits.

    python benchmarks/operating_points.py --cases 120

Scans are those of `raemd phantom luna16`, small; the probability maps are **simulated**: lesions are found
with a wrong size, some not at all, and there are false ones in the lungs. All else is what `raemd calibrate`
does: lesions measured in the maps, confidences by folds, thresholds on one half of the scans and their false
positives and sensitivity on the other. One thread.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from nnunetv2_raemd.confidence.calibration import LabelQuality, calibrate_label
from nnunetv2_raemd.confidence.case_evidence import LabelMaps, lesion_evidence
from nnunetv2_raemd.confidence.lesion_evidence import CaseEvidence
from nnunetv2_raemd.confidence.voxel_temperature import VoxelCounts, count_voxels
from nnunetv2_raemd.evaluation.case_evaluation import CaseFiles
from nnunetv2_raemd.nnunet_files.label_set import Target
from nnunetv2_raemd.nnunet_files.segmentation_file import Geometry
from nnunetv2_raemd.phantom.configuration import LUNA16
from nnunetv2_raemd.phantom.thorax import Thorax, make_thorax

SPACING_MM = (3.0, 2.5, 2.5)
PHANTOM = replace(LUNA16, shape=(32, 80, 80), spacing_mm=SPACING_MM, trunk_count=(2, 4))
NODULE = Target("nodule", (1,))
N_FOLDS = 5
OVERCONFIDENCE = 2.0
"""Log odds are that many times too large, as a network's tend to be: the temperature to be found."""


def main() -> None:
    """Simulate, calibrate, and print what became of the promises."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    evidence, counts = [], []
    for case in range(arguments.cases):
        thorax = make_thorax(replace(PHANTOM, seed=arguments.seed), case)
        found, voxels = validated(thorax, np.random.default_rng((arguments.seed, case)), case)
        evidence.append(found)
        counts.append(voxels)
    label = calibrate_label(NODULE, evidence, counts)
    assert label.quality is not None
    n_lesions = sum(case.n_lesions for case in evidence)
    print(f"{len(evidence)} scans, {n_lesions} lesions; temperature {label.temperature:.2f}")
    print(f"predicted: {label.model.n_real} real, {label.model.n_false} false")
    report(label.quality)


def validated(thorax: Thorax, rng: np.random.Generator, case: int) -> tuple[CaseEvidence, VoxelCounts]:
    """What a case tells, by a simulated map."""
    reference = thorax.lesion_labels > 0
    probability = simulated_map(thorax, rng)
    geometry = Geometry(reference.shape, SPACING_MM, (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1, 0, 0, 0, 1))
    maps = LabelMaps(geometry, reference, probability > 0.5, probability)
    nowhere = Path("simulated")
    files = CaseFiles(f"case_{case}", str(case % N_FOLDS), nowhere, nowhere, nowhere)
    everywhere = np.ones_like(reference)
    return lesion_evidence(files, maps, NODULE), count_voxels(probability, reference, everywhere)


def simulated_map(thorax: Thorax, rng: np.random.Generator) -> np.ndarray:
    """Probabilities as a network might give: log odds that rise from the rim of a lesion inwards."""
    log_odds = np.full(thorax.lesion_labels.shape, -6.0)
    for lesion in thorax.lesions:
        missed = 0.06 if lesion.equivalent_diameter_mm < 10 else 0.01
        if rng.random() > missed:
            mask = thorax.lesion_labels == lesion.label
            log_odds = np.maximum(log_odds, blob(mask, rng.normal(0, 1), rng.normal(2.5, 1.2)))
    places = np.argwhere((thorax.lung_labels > 0) & (thorax.lesion_labels == 0))
    for place in places[rng.integers(len(places), size=rng.poisson(1.5))]:
        ball = np.ones(log_odds.shape, bool)
        ball[tuple(place)] = False
        near = ndimage.distance_transform_edt(ball, SPACING_MM) < rng.uniform(3, 7)
        log_odds = np.maximum(log_odds, blob(near, 0.0, rng.normal(0.8, 1)))
    noise = ndimage.gaussian_filter(rng.normal(0, 1, log_odds.shape), 1)
    probability: np.ndarray = 1 / (1 + np.exp(-OVERCONFIDENCE * (log_odds + noise)))
    return probability


def blob(mask: np.ndarray, grown_mm: float, peak: float) -> np.ndarray:
    """Log odds: 0 at the rim of a mask that is grown by so much, 1 more a mm inwards, up to `peak`."""
    inside_mm = ndimage.distance_transform_edt(mask, SPACING_MM)
    outside_mm = ndimage.distance_transform_edt(~mask, SPACING_MM)
    rising: np.ndarray = np.minimum(inside_mm - outside_mm + grown_mm, peak)
    return rising


def report(quality: LabelQuality) -> None:
    """Print the figures of quality."""
    for name, found in (
        ("lesions, maximum probability", quality.uncalibrated),
        ("lesions, confidence", quality.lesions),
        ("voxels as they are", quality.unscaled),
        ("voxels, scaled", quality.voxels),
    ):
        print(f"{name}: ECE {found.ece:.3f}, Brier {found.brier:.3f}")
    before, after = quality.uncalibrated_risk.area, quality.risk.area
    print(f"area under risk-coverage: {before:.3f} by maximum probability, {after:.3f} by confidence")
    for check in quality.checks:
        outcome = "none" if check.mean is None else f"{check.mean:.3f} ± {check.sd:.3f}"
        tried = f"{check.n_splits} splits, {check.n_unreachable} without a threshold"
        print(f"{check.kind}, promised {check.promised:g}: {outcome} ({tried})")


if __name__ == "__main__":
    main()
