"""Where a training sequence lies along the slices: anywhere around the voxel that it was drawn for.

nnU-Net's loader puts a foreground voxel in the middle of every patch that has to hold one. The recurrence
learns from that in which slices of a sequence lesions lie, and misses them in the others, where they are as
likely in prediction (`docs/performance.md`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetBaseDataset
from numpy.typing import NDArray

Locations = NDArray[np.integer[Any]]
SLICE_AXIS = 1  # of nnU-Net's locations (channel, z, y, x)


class SequencesAnywhere:
    """A dataset for nnU-Net's data loader, which centres patches at one of a case's `class_locations`.

    They are moved along the slices, by a number drawn whenever a case is loaded: the voxel that the loader
    chooses then lies in any slice of the sequence with equal probability, unless the scan ends there.
    """

    def __init__(self, dataset: nnUNetBaseDataset, sequence_length: int) -> None:
        self.dataset, self.sequence_length = dataset, sequence_length
        self.identifiers: list[str] = dataset.identifiers

    def load_case(self, identifier: str) -> tuple[Any, Any, Any, dict[str, Any]]:
        """Image, segmentation, that of a previous stage and properties, as nnU-Net's datasets return them."""
        image, segmentation, previous_stage, properties = self.dataset.load_case(identifier)
        slice_of_voxel = np.random.randint(self.sequence_length)  # nnU-Net seeds this one
        moved = {
            label: middle_of_sequence(
                np.asarray(locations),
                slice_of_voxel,
                n_slices=image.shape[1],
                sequence_length=self.sequence_length,
            )
            for label, locations in properties["class_locations"].items()
        }
        return image, segmentation, previous_stage, {**properties, "class_locations": moved}


def middle_of_sequence(
    locations: Locations, slice_of_voxel: int, *, n_slices: int, sequence_length: int
) -> Locations:
    """The middles, as nnU-Net counts them, of sequences in which these voxels are slice `slice_of_voxel`.

    Sequences that would begin before the scan or end after it are moved into it.

    Args:
        locations: (n, 4) channel, z, y, x.
    """
    if not len(locations):
        return locations
    last_start = max(n_slices - sequence_length, 0)
    starts = np.clip(locations[:, SLICE_AXIS] - slice_of_voxel, 0, last_start)
    moved = locations.copy()
    moved[:, SLICE_AXIS] = starts + sequence_length // 2
    return moved
