"""Sequences lie anywhere around the voxel they are drawn for, as nnU-Net's own loader draws them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader

from nnunetv2_raemd.training.sequence_sampling import SequencesAnywhere

LENGTH, SIZE, DRAWS = 8, 16, 400
LABELS = SimpleNamespace(has_ignore_label=False, all_labels=[0, 1], annotated_classes_key=(0, 1))


class OneVoxel:
    """A scan whose only foreground is one voxel in slice `z`."""

    def __init__(self, z: int, n_slices: int) -> None:
        self.identifiers = ["case"]
        self.image = np.zeros((1, n_slices, SIZE, SIZE), np.float32)
        self.segmentation = np.zeros((1, n_slices, SIZE, SIZE), np.int16)
        self.segmentation[0, z, 3, 4] = 1
        self.locations = {1: np.array([[0, z, 3, 4]]), 2: np.zeros((0, 4), int)}

    def load_case(self, identifier: str) -> tuple[Any, Any, None, dict[str, Any]]:
        assert identifier == "case"
        return self.image, self.segmentation, None, {"class_locations": self.locations, "spacing": [1, 1, 1]}


def slices_of_voxel(dataset: Any) -> list[int]:
    """In which slice of its sequence nnU-Net's loader puts the voxel, draw after draw."""
    loader = nnUNetDataLoader(
        dataset, 1, (LENGTH, SIZE, SIZE), (LENGTH, SIZE, SIZE), LABELS, oversample_foreground_percent=1.0
    )
    np.random.seed(0)
    targets = [next(loader)["target"].numpy() for _ in range(DRAWS)]
    assert all((target == 1).sum() == 1 for target in targets), "a sequence does not hold its voxel"
    return [int(np.argwhere(target == 1)[0][2]) for target in targets]


def test_nnunets_own_sequences_have_the_voxel_in_the_middle() -> None:
    assert set(slices_of_voxel(OneVoxel(20, 40))) == {LENGTH // 2}


def test_the_voxel_lies_in_every_slice_equally_often() -> None:
    counts = np.bincount(slices_of_voxel(SequencesAnywhere(OneVoxel(20, 40), LENGTH)), minlength=LENGTH)
    expected = DRAWS / LENGTH
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert chi_squared < 24.3  # 0.1 % of a fair draw's with 7 degrees of freedom


@pytest.mark.parametrize(
    ("z", "n_slices", "possible"),
    [
        (0, 40, {0}),
        (2, 40, {0, 1, 2}),
        (39, 40, {7}),
        (37, 40, {5, 6, 7}),
        (5, 8, {5}),
        (20, 40, set(range(LENGTH))),
    ],
)
def test_sequences_stay_within_the_scan(z: int, n_slices: int, possible: set[int]) -> None:
    assert set(slices_of_voxel(SequencesAnywhere(OneVoxel(z, n_slices), LENGTH))) == possible


def test_a_scan_shorter_than_a_sequence_is_in_it_whole() -> None:
    dataset = SequencesAnywhere(OneVoxel(4, 5), LENGTH)
    assert len(set(slices_of_voxel(dataset))) == 1


def test_all_else_is_left_as_it_was() -> None:
    plain = OneVoxel(20, 40)
    image, segmentation, previous_stage, properties = SequencesAnywhere(plain, LENGTH).load_case("case")
    assert image is plain.image and segmentation is plain.segmentation and previous_stage is None
    assert properties["spacing"] == [1, 1, 1]
    moved = properties["class_locations"]
    assert moved[1][0].tolist()[2:] == [3, 4] and len(moved[2]) == 0
    assert plain.locations[1].tolist() == [[0, 20, 3, 4]]
