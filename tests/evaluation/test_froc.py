"""The FROC: the official evaluation's own output, scikit-learn, and candidates done by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from segmentations import block
from sklearn.metrics import roc_curve

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.evaluation import candidates
from nnunetv2_raemd.evaluation.candidates import find_candidates
from nnunetv2_raemd.evaluation.case_results import Candidate, CaseResult, Lesion, TargetResult
from nnunetv2_raemd.evaluation.evaluation_options import EvaluationOptions
from nnunetv2_raemd.evaluation.froc import LUNA16_RATES, froc_curve, froc_of_cases
from nnunetv2_raemd.evaluation.froc_choices import CandidateScore, HitRule
from nnunetv2_raemd.nnunet_files.probability_map import read_probabilities
from nnunetv2_raemd.volumes.components import find_components
from nnunetv2_raemd.volumes.region import Region, region_above

PLACE = (0.0, 0.0, 0.0)
LESION = Lesion(1.0, PLACE, True, 1.0, 1, 1.0)


def test_a_curve_done_by_hand() -> None:
    """Two scans, four lesions; hits at 0.9, 0.8, 0.3 and false ones at 0.85, 0.3, 0.1."""
    curve = froc_curve([0.3, 0.9, 0.8], [0.1, 0.85, 0.3], n_lesions=4, n_scans=2)
    assert curve.threshold == (math.inf, 0.9, 0.85, 0.8, 0.3, 0.1)
    assert curve.false_positives_per_scan == (0, 0, 0.5, 0.5, 1, 1.5)
    assert curve.sensitivity == (0, 0.25, 0.25, 0.5, 0.75, 0.75)
    assert curve.sensitivity_at((0.125, 0.5, 0.75, 8)) == (0.25, 0.5, 0.625, 0.75)


def test_nothing_found_and_nothing_to_find() -> None:
    assert froc_curve([], [], n_lesions=3, n_scans=2).cpm == 0
    assert froc_curve([0.9, 0.8], [], n_lesions=2, n_scans=2).cpm == 1
    assert math.isnan(froc_curve([], [0.4], n_lesions=0, n_scans=2).cpm)


def test_equals_the_official_evaluation_of_a_luna16_submission(real_data: Path) -> None:
    """Its scores (-1e9 for lesions without a candidate), its curve, and CPM 0.8638."""
    folder = next((real_data / "metrics" / "froc-yolov4").iterdir())
    truth, scores = np.loadtxt(folder / "froc_gt_prob_vectors_YOLOv4_80_all.csv", delimiter=",").T
    curve = froc_curve(
        scores[(truth == 1) & (scores > 0)], scores[truth == 0], n_lesions=int(truth.sum()), n_scans=888
    )
    assert int(curve.cpm * 1e6) == 863767  # cut off, as in the name of the official folder
    official = np.loadtxt(folder / "froc_YOLOv4_80_all.txt", delimiter=",")
    by_threshold = {round(t, 9): i for i, t in enumerate(curve.threshold)}
    for rate, sensitivity, threshold in official[1:]:  # it leaves out points on straight lines
        i = by_threshold[round(threshold, 9)]
        assert curve.false_positives_per_scan[i] == pytest.approx(rate, abs=1e-9)
        assert curve.sensitivity[i] == pytest.approx(sensitivity, abs=1e-9)
    for rate, mean in zip(LUNA16_RATES, np.interp(LUNA16_RATES, official[:, 0], official[:, 1]), strict=True):
        assert curve.sensitivity_at((rate,))[0] == pytest.approx(mean, abs=1e-9)


def test_equals_scikit_learns_roc_scaled() -> None:
    rng = np.random.default_rng(0)
    hits, false = rng.integers(3, 12, 40) / 12, rng.integers(0, 9, 90) / 12  # with many ties
    curve = froc_curve(hits, false, n_lesions=50, n_scans=30)
    fpr, tpr, thresholds = roc_curve([1] * 40 + [0] * 90, [*hits, *false], drop_intermediate=False)
    assert curve.threshold == tuple(thresholds)
    assert curve.false_positives_per_scan == pytest.approx(fpr * 90 / 30)
    assert curve.sensitivity == pytest.approx(tpr * 40 / 50)


def case(candidates: tuple[Candidate, ...] | None, n_lesions: int) -> CaseResult:
    found = TargetResult({}, (LESION,) * n_lesions, (), candidates)
    return CaseResult("a", None, Path("p"), Path("r"), (1, 1, 1), (1, 1, 1), {"nodule": found})


def test_further_candidates_of_a_lesion_are_ignored() -> None:
    of_first = (Candidate(0.5, PLACE, (0,)), Candidate(0.7, PLACE, (0, 1)), Candidate(0.55, PLACE, (0,)))
    first = case((*of_first, Candidate(0.6, PLACE, ())), n_lesions=3)
    curve = froc_of_cases([first, case((), n_lesions=0)], "nodule")
    assert curve is not None
    assert (curve.n_scans, curve.n_lesions) == (2, 3)
    assert curve.threshold[1:] == (0.7, 0.6)
    assert curve.sensitivity[1:] == pytest.approx((2 / 3, 2 / 3))
    assert curve.false_positives_per_scan[1:] == (0, 0.5)


def test_no_curve_where_a_case_has_no_probabilities() -> None:
    assert froc_of_cases([case((), 1), case(None, 1)], "nodule") is None


def above(probability: np.ndarray, threshold: float = 0.1) -> Region:
    return region_above(threshold, iter(probability), probability.shape)


def probability_map() -> np.ndarray:
    probability = np.zeros((8, 20, 24), np.float32)
    probability[1:3, 2:4, 2:4] = 0.2  # candidate 1, on the first lesion
    probability[1, 2, 2] = 0.75
    probability[5, 10:14, 10] = 0.5  # candidate 2, on none
    probability[6, 18, 20] = 0.05  # below the threshold
    return probability


def test_candidates_are_components_above_the_threshold() -> None:
    lesions = find_components(block(((1, 2, 2), (4, 6, 6)), ((6, 18, 20), (8, 20, 23))))
    found = find_candidates(
        above(probability_map()),
        lesions,
        spacing_mm=(1, 1, 1),
        options=EvaluationOptions(candidate_threshold=0.1),
    )
    assert [(c.score, c.lesions) for c in found] == [(0.75, (0,)), (0.5, ())]
    assert found[1].centre == (5, 11.5, 10)
    mean = EvaluationOptions(candidate_threshold=0.1, candidate_score=CandidateScore.MEAN)
    scores = [
        c.score
        for c in find_candidates(above(probability_map()), lesions, spacing_mm=(1, 1, 1), options=mean)
    ]
    assert scores == pytest.approx([(7 * 0.2 + 0.75) / 8, 0.5])


@pytest.mark.parametrize(("place", "hits"), [((4, 10, 10), (0,)), ((4, 10, 12), (0,)), ((4, 10, 13), ())])
def test_hit_by_the_centre_as_luna16(place: tuple[int, int, int], hits: tuple[int, ...]) -> None:
    """A lesion of 3 x 3 x 3 voxels of 8 mm³: radius 3.72 mm, so 2 voxels of 1 mm along x hit, 4 do not."""
    lesions = find_components(block(((3, 9, 9), (6, 12, 12))))
    probability = np.zeros((8, 20, 24))
    probability[place] = 1
    options = EvaluationOptions(hit_rule=HitRule.CENTRE)
    found = find_candidates(above(probability), lesions, spacing_mm=(4, 2, 1.5), options=options)
    assert found[0].lesions == hits


@pytest.mark.parametrize(("rule", "hits"), [(HitRule.CENTRE, ()), (HitRule.OVERLAP, (0,))])
def test_a_candidate_at_the_corner_of_a_lesion(rule: HitRule, hits: tuple[int, ...]) -> None:
    """The corner voxel of the same lesion is 4.7 mm from its centre, and within it."""
    lesions = find_components(block(((3, 9, 9), (6, 12, 12))))
    probability = np.zeros((8, 20, 24))
    probability[5, 11, 11] = 1
    options = EvaluationOptions(hit_rule=rule)
    found = find_candidates(above(probability), lesions, spacing_mm=(4, 2, 1.5), options=options)
    assert found[0].lesions == hits


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_probabilities_of_nnunet(tmp_path: Path, dtype: type[np.floating[Any]]) -> None:
    expected = np.random.default_rng(0).random((3, 3, 4, 5)).astype(dtype)
    np.savez_compressed(tmp_path / "case.npz", probabilities=expected)
    maps = read_probabilities(tmp_path / "case.npz", (3, 4, 5))
    assert len(maps) == 3
    assert all(np.array_equal(maps[i], expected[i]) for i in range(3))
    with pytest.raises(IndexError):
        maps[3]


def test_probabilities_that_cannot_be_read(tmp_path: Path) -> None:
    file, shape = tmp_path / "case.npz", (3, 4, 5)
    with pytest.raises(UserError, match=r"case\.npz does not exist.*--npz"):
        read_probabilities(file, shape)
    np.savez_compressed(file, probabilities=np.ones((3, 4, 4, 5)))
    with pytest.raises(UserError, match=r"case\.npz has the shape \(4, 4, 5\), its segmentation \(3, 4, 5\)"):
        read_probabilities(file, shape)
    for wrong in ({"something": np.ones(2)}, {"probabilities": np.ones((3, 3, 4, 5), int)}):
        np.savez(file, **wrong)
        with pytest.raises(UserError, match=r"case\.npz cannot be read"):
            read_probabilities(file, shape)
    file.write_bytes(b"PK broken")
    with pytest.raises(UserError, match=r"case\.npz cannot be read"):
        read_probabilities(file, shape)


def test_probabilities_that_break_off(tmp_path: Path) -> None:
    file = tmp_path / "case.npz"
    np.savez(file, probabilities=np.random.default_rng(0).random((2, 3, 4, 5)))
    content = bytearray(file.read_bytes())
    content[600] ^= 1  # a flipped bit in the second channel
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"case\.npz cannot be read.*CRC"):
        read_probabilities(file, (3, 4, 5))[1]


def test_the_rates_are_luna16s() -> None:
    assert list(LUNA16_RATES) == [2.0**power for power in range(-3, 4)]


@pytest.mark.parametrize(("spacing_x_mm", "hit"), [(1.0, False), (0.999, True)])
def test_the_rim_of_a_lesion_is_outside(
    spacing_x_mm: float, hit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LUNA16's evaluation compares with `<`: a center 3 mm off hits a lesion of 6 mm diameter no more."""
    monkeypatch.setattr(candidates, "ball_diameter_mm", lambda volume: 6.0)
    lesion = np.zeros((1, 1, 9), bool)
    lesion[0, 0, 1] = True
    probability = np.zeros(lesion.shape, np.float32)
    probability[0, 0, 4] = 0.9
    (found,) = find_candidates(
        region_above(0.5, iter(probability), probability.shape),
        find_components(lesion),
        spacing_mm=(1, 1, spacing_x_mm),
        options=EvaluationOptions(froc=True),
    )
    assert found.lesions == ((0,) if hit else ())
