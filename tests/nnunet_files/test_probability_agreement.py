"""Probability maps that are not of the segmentation beside them; those that are, whatever was done to it."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, labels_of
from nnunetv2_raemd.nnunet_files.probability_agreement import AgreementCheck, Segmented
from nnunetv2_raemd.nnunet_files.probability_map import read_probabilities
from nnunetv2_raemd.postprocessing.postprocessing_steps import Postprocessing, postprocess

SIDE = 24
ONE = labels_of({"labels": {"background": 0, "nodule": 1}, "file_ending": ".nii.gz"})
TWO = labels_of({"labels": {"background": 0, "nodule": 1, "vessel": 2}, "file_ending": ".nii.gz"})
REGIONS = labels_of(
    {
        "labels": {"background": 0, "whole": [1, 2], "core": 2},
        "regions_class_order": [1, 2],
        "file_ending": ".nii.gz",
    }
)
Map = NDArray[np.float32]


def blob(centre: tuple[int, int, int], reach: float, axes: tuple[int, int, int] = (1, 1, 1)) -> Map:
    """A probability that falls from 1 with the distance, and is 0.5 at `reach` voxels along an axis of 1."""
    grid = np.indices((SIDE,) * 3).reshape(3, -1).T
    distance = np.linalg.norm((grid - centre) / axes, axis=1).reshape((SIDE,) * 3)
    return (1 / (1 + np.exp(distance - reach))).astype(np.float32)


def of_background(*channels: Map) -> Map:
    """The channels with that of the background in front."""
    return np.stack([np.clip(1 - sum(channels), 0, 1), *channels]).astype(np.float32)


def check(folder: Path, maps: Map, segmentation: NDArray[np.uint8], labels: LabelSet = ONE) -> None:
    np.savez_compressed(folder / "case.npz", probabilities=maps)
    agreement = AgreementCheck(read_probabilities(folder / "case.npz", (SIDE,) * 3), labels)
    for target in labels.targets:
        mask = np.isin(segmentation, target.values)
        agreement.channel(Segmented(folder / "case.nii.gz", target, mask))


# Off the centre by little, as the lesion of a crop round it, and with no plane of symmetry.
OBLONG = np.maximum(blob((11, 12, 12), 3, (1, 1, 2)), blob((13, 14, 9), 2))


@pytest.mark.parametrize(
    ("axes", "signs"),
    [
        (axes, signs)
        for axes in permutations(range(3))
        for signs in product((1, -1), repeat=3)
        if axes != (0, 1, 2) or signs != (1, 1, 1)
    ],
)
def test_every_other_order_of_axes_is_refused(
    tmp_path: Path, axes: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    maps = of_background(OBLONG)
    turned = maps.transpose(0, *(axis + 1 for axis in axes))[:, :: signs[0], :: signs[1], :: signs[2]]
    check(tmp_path, maps, maps.argmax(axis=0).astype(np.uint8))
    with pytest.raises(
        UserError, match=r"case\.npz is not the probability map of .*case\.nii\.gz: \d+ voxels"
    ):
        check(tmp_path, turned, maps.argmax(axis=0).astype(np.uint8))


@pytest.mark.parametrize(
    ("order", "labels"), [([1, 0], ONE), ([0, 2, 1], TWO), ([1, 0, 2], TWO), ([1, 2, 0], TWO)]
)
def test_swapped_channels_are_refused(tmp_path: Path, order: list[int], labels: LabelSet) -> None:
    vessel = [blob((4, 5, 6), 2)] if labels is TWO else []
    maps = of_background(blob((12, 12, 12), 3), *vessel)
    segmentation = maps.argmax(axis=0).astype(np.uint8)
    check(tmp_path, maps, segmentation, labels)
    with pytest.raises(UserError, match="is not the probability map of"):
        check(tmp_path, maps[order], segmentation, labels)


def test_a_background_for_a_lesion_is_refused_where_nothing_is_segmented(tmp_path: Path) -> None:
    empty = np.zeros((SIDE,) * 3, np.uint8)
    maps = of_background(np.full((SIDE,) * 3, 0.2, np.float32))
    check(tmp_path, maps, empty)
    with pytest.raises(
        UserError, match=f"{SIDE**3} voxels have a probability above 0.5 of nodule, and 0 are"
    ):
        check(tmp_path, maps[::-1], empty)


@pytest.mark.parametrize("other", [blob((4, 4, 20), 3), np.full((SIDE,) * 3, 0.01, np.float32)])
def test_a_map_of_another_case_is_refused(tmp_path: Path, other: Map) -> None:
    segmentation = of_background(OBLONG).argmax(axis=0).astype(np.uint8)
    with pytest.raises(UserError, match="is not the probability map of"):
        check(tmp_path, of_background(other), segmentation)


@pytest.mark.parametrize(
    "settings",
    [
        Postprocessing(),
        Postprocessing(threshold=0.1),
        Postprocessing(threshold=0.9),
        Postprocessing(opening_mm=2),
        Postprocessing(closing_mm=2, fill_holes=True),
        Postprocessing(min_volume_mm3=100),
        Postprocessing(min_volume_mm3=10000),
        Postprocessing(threshold=0.1, min_volume_mm3=100, min_probability=0.9),
    ],
    ids=str,
)
def test_what_post_processing_did_is_no_reason(tmp_path: Path, settings: Postprocessing) -> None:
    probability = np.maximum(OBLONG, blob((20, 3, 3), 1.2))
    mask = postprocess(probability > 0.5, probability, spacing_mm=(1, 1, 1), settings=settings)
    check(tmp_path, of_background(probability), mask.astype(np.uint8))


def test_the_most_probable_of_many_labels_may_be_improbable(tmp_path: Path) -> None:
    """Of 16 labels, the highest probability may be little more than 1/16."""
    names = {"background": 0, **{f"part {n}": n for n in range(1, 16)}}
    maps = np.full((16, SIDE, SIDE, SIDE), 1 / 16, np.float32)
    maps[0] += 0.01
    maps[5, 3, 4, 5] += 0.02
    segmentation = maps.argmax(axis=0).astype(np.uint8)
    assert np.count_nonzero(segmentation) == 1
    check(tmp_path, maps.astype(np.float16), segmentation, labels_of({"labels": names, "file_ending": "x"}))


def test_regions_are_painted_over_one_another(tmp_path: Path) -> None:
    """A core that is probable where the whole is not, is painted all the same."""
    whole, core = blob((12, 12, 12), 5), blob((12, 12, 16), 3)
    segmentation = np.zeros((SIDE,) * 3, np.uint8)
    segmentation[whole > 0.5] = 1
    segmentation[core > 0.5] = 2
    check(tmp_path, np.stack([whole, core]), segmentation, REGIONS)
    check(tmp_path, np.stack([whole * 0.4, core]), np.where(core > 0.5, 2, 0).astype(np.uint8), REGIONS)
    with pytest.raises(UserError, match="with the channels of whole and core swapped"):
        check(tmp_path, np.stack([core, whole]), segmentation, REGIONS)


def test_a_ball_in_the_centre_agrees_in_any_order(tmp_path: Path) -> None:
    ball = ndimage.binary_dilation(np.pad(np.ones((2, 2, 2)), 11), iterations=3).astype(np.float32)
    check(tmp_path, of_background(ball)[:, ::-1].transpose(0, 3, 2, 1), ball.astype(np.uint8))
