"""The connected components of a mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from nnunetv2_raemd.evaluation.overlap import Mask

CONNECTIVITY: Final = 26  # voxels that share a face, an edge or a corner belong together
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Components:
    """26-connected components, numbered from 0.

    Attributes:
        numbers: array (z, y, x) of the number plus one, 0 outside.
        n_voxels: of each component.
        centres: centres of mass (n, 3) in voxels of the whole image.
        boxes: bounding boxes in `numbers`.
    """

    numbers: NDArray[np.unsignedinteger]
    n_voxels: NDArray[np.int64]
    centres: NDArray[np.float64]
    boxes: tuple[Box, ...]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.boxes)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Voxels of each component as plain numbers."""
        return tuple(int(n) for n in self.n_voxels)


def find_components(mask: Mask, start: Sequence[int] = (0, 0, 0)) -> Components:
    """The components of a mask (z, y, x) that was cut from an image at voxel `start`."""
    numbers = cc3d.connected_components(np.ascontiguousarray(mask), connectivity=CONNECTIVITY)
    statistics = cc3d.statistics(numbers)
    return Components(
        numbers,
        statistics["voxel_counts"][1:].astype(np.int64),
        np.asarray(statistics["centroids"][1:], np.float64).reshape(-1, 3) + start,
        tuple(statistics["bounding_boxes"][1:]),
    )


def shared_voxels(first: Components, second: Components) -> csr_array:
    """How many voxels each component of `first` (rows) shares with each of `second` (columns)."""
    both = (first.numbers > 0) & (second.numbers > 0)
    rows, columns = first.numbers[both].astype(np.int64) - 1, second.numbers[both].astype(np.int64) - 1
    ones = np.ones(len(rows), np.int64)
    return coo_array((ones, (rows, columns)), shape=(len(first), len(second))).tocsr()
