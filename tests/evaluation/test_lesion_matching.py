"""Lesions matched: found, missed, false, moved, split, merged; all by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from segmentations import block

from nnunetv2_raemd.evaluation.case_results import FalseLesion, Lesion
from nnunetv2_raemd.evaluation.lesion_matching import lesion_metrics, match_lesions
from nnunetv2_raemd.volumes.components import find_components, shared_voxels

A = ((1, 2, 2), (4, 6, 6))  # 3 x 4 x 4 = 48 voxels
B = ((1, 2, 10), (4, 6, 14))
FAR = ((5, 12, 12), (7, 14, 14))  # 8 voxels


def matched(reference: Any, prediction: Any, **options: float) -> tuple[list[Lesion], list[FalseLesion]]:
    return match_lesions(find_components(reference), find_components(prediction), voxel_mm3=2.0, **options)


def test_prediction_equal_to_its_reference() -> None:
    mask = block(A, B)
    lesions, false = matched(mask, mask)
    assert [(found.detected, found.dice, found.pieces, found.continuity) for found in lesions] == [
        (True, 1, 1, 1)
    ] * 2
    assert [found.volume_mm3 for found in lesions] == [96, 96]
    assert lesions[0].centre == (2, 3.5, 3.5)
    assert lesions[0].diameter_mm == pytest.approx((6 * 96 / math.pi) ** (1 / 3))
    assert false == []


def test_missed_and_false() -> None:
    lesions, false = matched(block(A, B), block(A, FAR))
    assert [lesion.detected for lesion in lesions] == [True, False]
    assert (lesions[1].pieces, math.isnan(lesions[1].dice), math.isnan(lesions[1].continuity)) == (
        0,
        True,
        True,
    )
    assert false == [FalseLesion(16.0, (5.5, 12.5, 12.5))]
    found = lesion_metrics(lesions, false)
    assert found["lesion_sensitivity"] == 1 / 2
    assert found["lesion_precision"] == 1 / 2
    assert found["lesion_f1"] == 2 / 4
    assert (found["false_lesions"], found["lesion_dice"], found["one_piece"]) == (1, 1, 1)


def test_moved() -> None:
    lesions, false = matched(block(A), np.roll(block(A), 1, axis=2))
    assert lesions[0].dice == 2 * 36 / 96
    assert false == []


def test_scaled() -> None:
    """A prediction that is one voxel larger all round: 5 x 6 x 6 = 180."""
    lesions, _ = matched(block(A), block(((0, 1, 1), (5, 7, 7))))
    assert lesions[0].dice == pytest.approx(2 * 48 / (48 + 180))


def test_split_into_two_pieces_is_detected_once() -> None:
    lesions, false = matched(block(A), block(((1, 2, 2), (4, 6, 3)), ((1, 2, 4), (4, 6, 6))))
    assert len(lesions) == 1
    assert (lesions[0].detected, lesions[0].pieces, false) == (True, 2, [])
    assert lesions[0].dice == pytest.approx(2 * 36 / (48 + 36))
    assert lesion_metrics(lesions, false)["one_piece"] == 0


def test_merged_lesions_are_each_detected_with_a_poor_dice() -> None:
    lesions, false = matched(block(A, B), block(((1, 2, 2), (4, 6, 14))))
    assert [(found.detected, found.pieces) for found in lesions] == [(True, 1)] * 2
    assert [found.dice for found in lesions] == pytest.approx([2 * 48 / (48 + 144)] * 2)
    assert false == []


def test_least_overlap_decides_what_is_detected() -> None:
    prediction = block(((1, 2, 2), (2, 6, 6)))  # a third of the lesion
    assert matched(block(A), prediction, min_overlap=0.33)[0][0].detected
    lesions, false = matched(block(A), prediction, min_overlap=0.34)
    assert not lesions[0].detected
    assert false == []  # it touches a lesion


def test_a_lesion_of_a_false_one_next_to_it() -> None:
    """One voxel between them: nothing is shared."""
    lesions, false = matched(block(A), block(((1, 2, 7), (4, 6, 9))))
    assert not lesions[0].detected
    assert len(false) == 1


def test_nothing_at_all() -> None:
    lesions, false = matched(block(), block())
    found = lesion_metrics(lesions, false)
    assert (lesions, false, found["false_lesions"]) == ([], [], 0)
    assert all(math.isnan(value) for key, value in found.items() if key != "false_lesions")


def test_voxels_that_share_a_corner_are_one_lesion() -> None:
    assert len(find_components(block(((1, 1, 1), (2, 2, 2)), ((2, 2, 2), (3, 3, 3))))) == 1
    assert len(find_components(block(((1, 1, 1), (2, 2, 2)), ((2, 2, 3), (3, 3, 4))))) == 2


def test_components_and_shared_voxels_equal_scipys() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 9, 15, 15)) < 0.05
    components = [find_components(mask, start=(100, 0, 0)) for mask in (first, second)]
    labelled = [ndimage.label(mask, np.ones((3, 3, 3)))[0] for mask in (first, second)]
    for ours, theirs in zip(components, labelled, strict=True):
        assert len(ours) == theirs.max()
        places = [tuple(centre - [100, 0, 0]) for centre in ours.centres]
        expected = ndimage.center_of_mass(theirs > 0, theirs, range(1, theirs.max() + 1))
        assert np.allclose(sorted(places), sorted(expected))
        assert sorted(ours.sizes) == sorted(np.bincount(theirs.ravel())[1:])
    assert shared_voxels(*components).sum() == np.count_nonzero(first & second)


@pytest.mark.parametrize(
    ("share", "least", "detected"), [(48, 1.0, True), (47, 1.0, False), (24, 0.5, True), (23, 0.5, False)]
)
def test_a_lesion_is_detected_from_the_least_overlap_on(share: int, least: float, detected: bool) -> None:
    """Of its 48 voxels, exactly the fraction asked for is enough: 1.0 is a lesion that is covered whole."""
    reference = block(A)
    prediction = np.zeros_like(reference)
    prediction[tuple(axis[:share] for axis in np.nonzero(reference))] = True
    assert matched(reference, prediction, min_overlap=least)[0][0].detected is detected
