"""What lies above a threshold, slice by slice: the same as of the whole map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnunetv2_raemd.nnunet_files.probability_map import read_probabilities
from nnunetv2_raemd.volumes.components import find_components, shared_voxels
from nnunetv2_raemd.volumes.region import Region, counted_part, region_above

SHAPE = (7, 20, 24)


def sparse_map(seed: int, dtype: type = np.float32) -> np.ndarray:
    rng = np.random.default_rng(seed)
    probability = np.zeros(SHAPE)
    probability[2:6, 4:15, 8:20] = rng.random((4, 11, 12)) ** 6
    return probability.astype(dtype)


def in_whole(region: Region) -> np.ndarray:
    """The region as a whole map with 0 elsewhere."""
    probability = np.zeros(SHAPE, region.probability.dtype)
    box = tuple(slice(start, start + n) for start, n in zip(region.start, region.mask.shape, strict=True))
    probability[box][region.mask] = region.probability
    return probability


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_holds_all_above_the_threshold_in_the_smallest_box(seed: int, dtype: type) -> None:
    probability = sparse_map(seed, dtype)
    region = region_above(0.3, iter(probability), SHAPE)
    assert region.probability.dtype == dtype
    assert np.array_equal(in_whole(region), np.where(probability > 0.3, probability, 0))
    for axis in range(3):
        occupied = np.asarray(region.mask.any(axis=tuple(other for other in range(3) if other != axis)))
        assert occupied[0] and occupied[-1]


def test_the_threshold_itself_and_what_is_no_number_are_not_above() -> None:
    probability = np.full(SHAPE, 0.25)
    probability[0, 0, 0] = np.nan
    assert not region_above(0.25, iter(probability), SHAPE).mask.any()
    assert region_above(0.24, iter(probability), SHAPE).mask.sum() == probability.size - 1


def test_voxels_that_do_not_count_are_taken_out() -> None:
    """A mask of its own box, which reaches beyond that of the region on one side."""
    probability = sparse_map(5)
    counted = np.ones(SHAPE, bool)
    counted[3:, 10:, :12] = False
    start = (1, 6, 0)
    found = counted_part(region_above(0.2, iter(probability), SHAPE), counted[1:, 6:, :15], start)
    assert np.array_equal(in_whole(found), np.where((probability > 0.2) & counted, probability, 0))


def test_every_channel_in_one_pass(tmp_path: Path) -> None:
    maps = np.stack([sparse_map(seed) for seed in range(4)])
    np.savez_compressed(tmp_path / "case.npz", probabilities=maps)
    for first in (0, 1):
        found = list(read_probabilities(tmp_path / "case.npz", SHAPE).regions_above(0.4, range(first, 4)))
        assert len(found) == 4 - first
        for region, probability in zip(found, maps[first:], strict=True):
            assert np.array_equal(in_whole(region), np.where(probability > 0.4, probability, 0))


def test_components_of_different_boxes_share_what_they_share_in_the_image() -> None:
    first, second = sparse_map(1) > 0.2, sparse_map(2) > 0.1
    whole = shared_voxels(find_components(first), find_components(second))
    box, other = (slice(1, 7), slice(3, 16), slice(6, 22)), (slice(2, 6), slice(0, 20), slice(8, 24))
    cut = shared_voxels(find_components(first[box], (1, 3, 6)), find_components(second[other], (2, 0, 8)))
    assert whole.sum() > 0
    assert np.array_equal(cut.toarray(), whole.toarray())
    apart = find_components(np.ones((1, 2, 2), bool), (0, 17, 0))
    assert shared_voxels(find_components(first[box], (1, 3, 6)), apart).nnz == 0
