"""The connected components of a mask."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from nnunetv2_raemd.volumes.boxes import Box, Mask, box_between, common_box

CONNECTIVITY: Final = 26  # voxels that share a face, an edge or a corner belong together


@dataclass(frozen=True)
class Components:
    """26-connected components, numbered from 0.

    Attributes:
        numbers: array (z, y, x) of the number plus one, 0 outside.
        n_voxels: of each component.
        centres: centres of mass (n, 3) in voxels of the whole image.
        boxes: bounding boxes in `numbers`.
        start: first voxel of `numbers` in the whole image.
    """

    numbers: NDArray[np.unsignedinteger]
    n_voxels: NDArray[np.int64]
    centres: NDArray[np.float64]
    boxes: tuple[Box, ...]
    start: tuple[int, int, int]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.boxes)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Voxels of each component as plain numbers."""
        return tuple(int(n) for n in self.n_voxels)


def find_components(mask: Mask, start: tuple[int, int, int] = (0, 0, 0)) -> Components:
    """The components of a mask (z, y, x) that was cut from an image at voxel `start`."""
    numbers, n = cc3d.connected_components(
        np.ascontiguousarray(mask), connectivity=CONNECTIVITY, return_N=True
    )
    n_voxels, centres, boxes = _measure(numbers, mask, n)
    return Components(numbers, n_voxels, centres + start, boxes, start)


def _measure(
    numbers: NDArray[np.unsignedinteger], mask: Mask, n: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], tuple[Box, ...]]:
    """Voxels, centres and boxes of components, from the voxels of the mask alone.

    cc3d.statistics looks at all voxels, which takes as long as to find the components.
    """
    n_voxels, sums = np.zeros(n, np.int64), np.zeros((3, n), np.int64)
    firsts, lasts = np.full((3, n), max(mask.shape)), np.zeros((3, n), np.int64)
    for z in np.flatnonzero(mask.any(axis=(1, 2))):
        y, x = np.divmod(np.flatnonzero(mask[z]), mask.shape[2])
        of = numbers[z, y, x].astype(np.intp) - 1
        np.add.at(n_voxels, of, 1)
        for axis, place in enumerate((np.full_like(y, z), y, x)):
            np.add.at(sums[axis], of, place)
            np.minimum.at(firsts[axis], of, place)
            np.maximum.at(lasts[axis], of, place)
    boxes = tuple(box_between(firsts[:, i], lasts[:, i] + 1) for i in range(n))
    return n_voxels, (sums / n_voxels).T, boxes


def shared_voxels(first: Components, second: Components) -> csr_array:
    """How many voxels each component of `first` (rows) shares with each of `second` (columns)."""
    in_first, in_second = common_box(first.start, first.numbers.shape, second.start, second.numbers.shape)
    ours, theirs = first.numbers[in_first], second.numbers[in_second]
    both = (ours > 0) & (theirs > 0)
    rows, columns = ours[both].astype(np.int64) - 1, theirs[both].astype(np.int64) - 1
    ones = np.ones(len(rows), np.int64)
    return coo_array((ones, (rows, columns)), shape=(len(first), len(second))).tocsr()
