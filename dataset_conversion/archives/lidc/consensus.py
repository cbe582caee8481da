"""From the annotations of single readers to nodules and to the voxels that readers agree on.

Annotations that share a voxel, directly or through others, are of one nodule. LUNA16 has the same,
except in clusters of more than four annotations (LIDC had four readers): there a reader drew two neighbouring
nodules as one, or a nodule in parts. Such a cluster is taken apart by LUNA16's `annotations.csv`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse.csgraph import connected_components

from nnunetv2_raemd.dataset_conversion.archives.lidc.reader_masks import AxialGrid, VoxelSet, at_least
from nnunetv2_raemd.volumes.balls import Ball

READERS = 4
# An annotation of a large cluster belongs to a nodule of annotations.csv where their centres are nearer than
# this many times the sum of their radii. In LUNA16's 13 such clusters, 1.15 is needed to keep together what
# LUNA16 has as one nodule, and 1.54 would join what it has not.
_REACH = 1.3


@dataclass(frozen=True)
class Reading:
    """One annotation as voxels of the grid; the other attributes are those of `ReaderAnnotation`."""

    nodule_id: str
    voxels: VoxelSet
    grid: AxialGrid
    session: int | None = None

    @cached_property
    def ball(self) -> Ball:
        """Its centre of mass in the world, and the diameter of the ball of its volume."""
        return ball_of(self.voxels, self.grid)


@dataclass(frozen=True)
class Nodule:
    """The readings of one nodule in the order of the source, and a number per reading for whose it is."""

    readings: tuple[Reading, ...]
    readers: tuple[int, ...]

    @property
    def number_of_readers(self) -> int:
        return len(set(self.readers))

    def by_reader(self) -> list[VoxelSet]:
        """What each reader marked, in one part or several."""
        return [
            at_least(
                [r.voxels for r, whose in zip(self.readings, self.readers, strict=True) if whose == reader], 1
            )
            for reader in sorted(set(self.readers))
        ]

    def reader_balls(self) -> list[Ball]:
        """Centre and diameter of what each reader marked."""
        return [ball_of(voxels, self.readings[0].grid) for voxels in self.by_reader()]

    def consensus(self, share: float) -> VoxelSet:
        """The voxels that at least this `share` of the nodule's readers marked."""
        return self.marked_by(max(1, math.ceil(share * self.number_of_readers)))

    def marked_by(self, number: int) -> VoxelSet:
        """The voxels that at least this many readers marked."""
        return at_least(self.by_reader(), number)


def ball_of(voxels: VoxelSet, grid: AxialGrid) -> Ball:
    """Centre of mass of the voxels in the world, and the diameter of the ball of their volume."""
    x, y, z = grid.to_world(voxels.centre)
    return Ball((float(x), float(y), float(z)), (6 / math.pi * voxels.count * grid.voxel_mm3) ** (1 / 3))


def find_nodules(readings: Sequence[Reading], balls: Sequence[Ball]) -> list[Nodule]:
    """The nodules of one scan.

    `readings` come in the order of the source, `balls` are the scan's nodules by `annotations.csv`.
    """
    touching = _touching(readings)
    readers = _readers(readings, touching)
    clusters = _connected(touching)
    parts = [
        part
        for cluster in clusters
        for part in ([cluster] if len(cluster) <= READERS else _split(cluster, readings, touching, balls))
    ]
    return [Nodule(tuple(readings[i] for i in part), tuple(readers[i] for i in part)) for part in parts]


def _touching(readings: Sequence[Reading]) -> np.ndarray:
    touching = np.eye(len(readings), dtype=bool)
    for i, one in enumerate(readings):
        for j, other in enumerate(readings[:i]):
            touching[i, j] = touching[j, i] = one.voxels.touches(other.voxels)
    return touching


def _readers(readings: Sequence[Reading], touching: np.ndarray) -> list[int]:
    """A number per reading, the same for those of one reader.

    The XML files have a session for each. The database lists one reader's annotations after the other's, and
    does not say where the next reader begins. It is where an annotation overlaps one of the reader's own, for
    nobody marks a voxel twice, or where the nodules' names change ("MI014_19996" after "IL057_160089").
    Readers who marked different places may be taken for one. That does no harm: what counts is who drew the
    parts of one nodule.
    """
    sessions = [reading.session for reading in readings if reading.session is not None]
    if len(sessions) == len(readings):
        return sessions
    readers: list[int] = []
    first = 0
    for i, reading in enumerate(readings):
        renamed = i > 0 and _site(reading) != _site(readings[i - 1])
        if renamed or touching[i, first:i].any():
            first = i
        readers.append(first)
    return readers


def _site(reading: Reading) -> str:
    return reading.nodule_id.rstrip("0123456789")


def _connected(touching: np.ndarray) -> list[list[int]]:
    number, labels = connected_components(touching, directed=False)
    return [np.flatnonzero(labels == label).tolist() for label in range(number)]


def _split(
    cluster: Sequence[int], readings: Sequence[Reading], touching: np.ndarray, balls: Sequence[Ball]
) -> list[list[int]]:
    """Each reading goes to the nearest ball that it reaches; those that reach none are clustered anew."""
    of_ball: dict[int, list[int]] = {}
    left_over = []
    for i in cluster:
        nearest = _nearest_reached(readings[i].ball, balls)
        if nearest is None:
            left_over.append(i)
        else:
            of_ball.setdefault(nearest, []).append(i)
    rest = _connected(touching[np.ix_(left_over, left_over)]) if left_over else []
    return [*of_ball.values(), *([left_over[k] for k in part] for part in rest)]


def _nearest_reached(ball: Ball, others: Sequence[Ball]) -> int | None:
    distances = [math.dist(ball.centre_mm, other.centre_mm) for other in others]
    reached = [
        k
        for k, other in enumerate(others)
        if distances[k] < _REACH * (ball.diameter_mm + other.diameter_mm) / 2
    ]
    return min(reached, key=lambda k: distances[k], default=None)
