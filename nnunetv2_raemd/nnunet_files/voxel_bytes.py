"""How many bytes the voxels of a file take by its header, and whether as many are there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from nnunetv2_raemd.inflating import DamagedError

_MOST_AXES = 4
_PADDING = 512  # bytes that a program may have put after the last voxel


@dataclass(frozen=True)
class VoxelBytes:
    """Voxels of some bytes each.

    Attributes:
        shape: as the header has it, the axis that changes fastest first.
        before: bytes of the file before the first of them.
    """

    shape: tuple[int, ...]
    each: int
    before: int = 0

    @property
    def expected(self) -> int:
        """Up to the end of the last voxel."""
        return self.before + math.prod(self.shape) * self.each

    def skipped(self, told: int, found: int) -> int:
        """Bytes before the voxels by a header; of a number below 0, the voxels come last."""
        return told if told >= 0 else max(found - self.expected, 0)

    def check(self, found: int) -> None:
        """Raise a `DamagedError` unless that many bytes, with those before the voxels, hold all of them.

        Where there are more by a slice, the header does not say how many slices there are.
        """
        if found < self.expected:
            raise DamagedError(
                f"is cut off: {max(found - self.before, 0)} of {self.expected - self.before} bytes of its "
                "voxels are there"
            )
        if found - self.expected >= max(math.prod(self.shape[:2]) * self.each, _PADDING):
            raise DamagedError(
                f"has a damaged header: it promises {self.expected - self.before} bytes of voxels, and "
                f"{found - self.before} are there"
            )


def shape_in(text: str) -> list[int]:
    """Whole numbers above 0 that a header gives as sizes.

    Raises:
        DamagedError: if it gives something else.
    """
    numbers = text.split()
    if not 1 <= len(numbers) <= _MOST_AXES or not all(n.isdecimal() and int(n[:20]) > 0 for n in numbers):
        raise DamagedError(f"has a damaged header: {text[:60]!r} is not a size")
    return [int(number) for number in numbers]


def bytes_of(kind: str, known: Mapping[str, int]) -> int:
    """The bytes of a voxel of that type.

    Raises:
        DamagedError: if it is not known.
    """
    if kind not in known:
        raise DamagedError(f"has a damaged header: {kind[:60]!r} is not a type of voxels")
    return known[kind]
