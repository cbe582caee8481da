"""A tile through all slices of a scan, read and written as if it were flipped."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

SLICE_AXIS = 1


@dataclass(frozen=True)
class Column:
    """All slices of one tile, in the order and orientation of one of the mirrored predictions.

    Only what is asked for is flipped: a flipped copy of a scan would be as large as the scan.

    Attributes:
        scan: the tile as it is, (channels, Z, H, W).
        flipped_axes: those of `scan` along which it is read and written flipped.
    """

    scan: Tensor
    flipped_axes: tuple[int, ...] = ()

    def read(self, start: int, stop: int) -> Tensor:
        """The slices from `start` to `stop` (excluded) of the flipped column, (slices, channels, H, W)."""
        return self.scan[:, self._in_scan(start, stop)].flip(self.flipped_axes).transpose(0, 1)

    def add(self, start: int, stop: int, values: Tensor, weight: Tensor) -> None:
        """Add (slices, channels, H, W) to the slices from `start` to `stop` (excluded) of the flipped column.

        Args:
            weight: factor for each pixel of the tile as it is, (H, W).
        """
        added = values.transpose(0, 1).flip(self.flipped_axes) * weight
        if not self.scan.is_floating_point():
            added.round_()
        self.scan[:, self._in_scan(start, stop)] += added.to(self.scan.dtype)

    def _in_scan(self, start: int, stop: int) -> slice:
        n_slices = self.scan.shape[SLICE_AXIS]
        if SLICE_AXIS in self.flipped_axes:  # the first slice of the flipped column is the last of the scan
            start, stop = n_slices - stop, n_slices - start
        return slice(start, stop)
