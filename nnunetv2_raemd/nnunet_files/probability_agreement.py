"""Whether a probability map belongs to the segmentation beside it.

nnU-Net makes both of the same numbers: a voxel gets the label whose probability is the highest.
Post-processing moves outlines and removes components; what it cannot bring about is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.label_set import LabelSet, Target
from nnunetv2_raemd.nnunet_files.probability_map import ProbabilityMaps, channel_of
from nnunetv2_raemd.volumes.boxes import Mask
from nnunetv2_raemd.volumes.region import Probabilities, Region, region_above

LOWEST_THRESHOLD = 0.1
"""The lowest probability at which post-processing may segment."""
_DECIDED = 0.5  # above it a label is the most probable one, and a region is taken
_TIMES_BETTER = 2  # another order of axes or channels must differ in so many times fewer voxels,
_AGREES = 0.1  # and in no more than this part of what is segmented

Voxels = NDArray[np.intp]
"""Indices (n, 3) of voxels."""


@dataclass(frozen=True)
class Segmented:
    """The voxels of a target in a segmentation.

    Attributes:
        mask: (z, y, x), of the image or a box of it that holds them all.
        start: first voxel of the box in the image.
    """

    file: Path
    target: Target
    mask: Mask
    start: tuple[int, int, int] = (0, 0, 0)

    def shared(self, voxels: Voxels) -> int:
        """How many of some voxels of the image are among these."""
        inside = voxels - self.start
        inside = inside[((inside >= 0) & (inside < self.mask.shape)).all(axis=1)]
        return int(np.count_nonzero(self.mask[tuple(inside.T)]))

    def cropped(self) -> Segmented:
        """The same in the smallest box."""
        (box,) = ndimage.find_objects(self.mask.astype(np.uint8)) or ((slice(0, 1),) * 3,)
        z, y, x = (first + side.start for first, side in zip(self.start, box, strict=True))
        return replace(self, mask=self.mask[box].copy(), start=(z, y, x))


@dataclass(frozen=True)
class AgreementCheck:
    """Raises a `UserError` where the probability maps of a case cannot be of its segmentation.

    That is so where a target has voxels in both and shares none; where most of the image is probable and
    hardly any of that segmented; and where the two agree far better with axes in another order or direction,
    or with the maps of two regions swapped.
    """

    maps: ProbabilityMaps
    labels: LabelSet
    _regions_before: list[tuple[Segmented, Voxels]] = field(default_factory=list)

    @property
    def lowest_probability(self) -> float:
        """What some voxel of every label in a segmentation is above, whatever post-processing did."""
        most_probable = _DECIDED if self.labels.has_regions else 1 / len(self.maps)
        return min(LOWEST_THRESHOLD, most_probable) * (1 - 1e-2)  # for half precision

    def channel(self, segmented: Segmented) -> Probabilities:
        """The map (z, y, x) of a target; a `UserError` also if it cannot be read."""
        probability = channel_of(self.maps, self.labels, segmented.target)
        self.check(region_above(self.lowest_probability, probability, self.maps.shape), segmented)
        return probability

    def check(self, region: Region, segmented: Segmented, threshold: float = 0.0) -> None:
        """Check one target.

        Args:
            region: what is above a threshold in its map.
        """
        probable = np.argwhere(region.mask) + region.start
        decided = probable[region.probability > _DECIDED]
        is_all = threshold <= self.lowest_probability and not self.labels.has_regions
        why = _why_another(decided, probable if is_all else None, segmented, self.maps.shape)
        why = why or self._why_swapped(decided, segmented)
        if why is not None:
            raise UserError(
                f"{self.maps.file} is not the probability map of {segmented.file}: {why}. Its channels or "
                "axes may have been swapped, or it is of another case or model: predict both again"
            )

    def _why_swapped(self, decided: Voxels, segmented: Segmented) -> str | None:
        """Regions lie within one another, so that each shares voxels with the maps of the others."""
        if not self.labels.has_regions:
            return None
        for other, other_decided in self._regions_before:
            pairs = (segmented, decided), (other, other_decided)
            swapped = (segmented, other_decided), (other, decided)
            n_as_is, n_swapped = (sum(_n_differing(*pair) for pair in two) for two in (pairs, swapped))
            if _is_better(n_swapped, n_as_is, sum(map(_n_voxels, (segmented, other)))):
                names = f"{other.target.name} and {segmented.target.name}"
                return f"{n_as_is} voxels differ, and {n_swapped} with the channels of {names} swapped"
        self._regions_before.append((segmented.cropped(), decided))
        return None


def _why_another(
    decided: Voxels, probable: Voxels | None, segmented: Segmented, shape: Sequence[int]
) -> str | None:
    """Why a map is of another segmentation; None where it need not be.

    Args:
        decided: voxels of the image that are more probable than not.
        probable: all that may be segmented; None if that is not known.
    """
    name, above = segmented.target.name, f"a probability above {_DECIDED}"
    n_segmented, n_decided = _n_voxels(segmented), len(decided)
    if n_decided > np.prod(shape) / 2 and n_segmented < n_decided / 2:
        return f"{n_decided} voxels have {above} of {name}, and {n_segmented} are segmented"
    if not n_segmented:
        return None  # post-processing may have removed everything
    if n_decided and not segmented.shared(decided):
        return f"no voxel of {name} has {above} of it, but {n_decided} others have"
    if probable is not None and not n_decided and not segmented.shared(probable):
        return f"{name} is segmented only where it is improbable"
    return _better_order(decided, segmented, shape)


def _n_voxels(segmented: Segmented) -> int:
    return int(np.count_nonzero(segmented.mask))


def _n_differing(segmented: Segmented, decided: Voxels) -> int:
    return _n_voxels(segmented) + len(decided) - 2 * segmented.shared(decided)


def _is_better(n_differing: int, n_as_is: int, n_voxels: int) -> bool:
    """Whether the maps agree so much better otherwise, that post-processing is not the reason."""
    return n_differing * _TIMES_BETTER < n_as_is and n_differing <= _AGREES * n_voxels


def _better_order(decided: Voxels, segmented: Segmented, shape: Sequence[int]) -> str | None:
    """A sentence on the order of axes in which the two agree; None where theirs is as good as any."""
    n_as_is, n_voxels = _n_differing(segmented, decided), _n_voxels(segmented)
    for order, voxels in _other_orders(decided, shape) if n_as_is else ():
        n_other = _n_differing(segmented, voxels)
        if _is_better(n_other, n_as_is, n_voxels):
            name = segmented.target.name
            return f"{n_as_is} voxels of {name} differ, and {n_other} if its axes are read as {order}"
    return None


def _other_orders(voxels: Voxels, shape: Sequence[int]) -> Iterator[tuple[str, Voxels]]:
    """The same voxels with axes swapped and reversed, as far as the shape stays the same."""
    last = np.asarray(shape) - 1
    for axes in permutations(range(3)):
        if [shape[axis] for axis in axes] != list(shape):
            continue
        for signs in product((False, True), repeat=3):
            if axes == (0, 1, 2) and not any(signs):
                continue
            turned = voxels[:, axes]
            names = ", ".join(f"-{'zyx'[a]}" if s else "zyx"[a] for a, s in zip(axes, signs, strict=True))
            yield f"({names})", np.where(signs, last - turned, turned)
