"""A CT series as an image on an even grid, and labels on that grid brought back to the series' own slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import SimpleITK as sitk

from nnunetv2_raemd.dicom.ct_series import CtSeries, read_hu, to_image
from nnunetv2_raemd.dicom.slice_resampling import even_grid, resample_hu
from nnunetv2_raemd.rasterize.contours import SliceStack

Grid: TypeAlias = sitk.Image | sitk.ImageFileReader
"""An image, or the reader of one that has read its header."""


def series_image(series: CtSeries) -> tuple[sitk.Image, tuple[str, ...]]:
    """The CT in HU as the converters make it, and what was done to make it even.

    Raises:
        UserError: naming a file that cannot be read.
    """
    notes = []
    if series.is_tilted:
        notes.append(f"{series.describe_tilt()}: slices moved in their plane onto an upright grid")
    if series.is_even:
        return to_image(read_hu(series), series, series.mean_distance_mm), tuple(notes)
    grid = even_grid(series.upright.heights_mm)
    notes.append(f"resampled to {grid.spacing_mm:.3f} mm: {series.describe_gaps()}")
    image = to_image(resample_hu(read_hu(series), grid), series, grid.spacing_mm)
    return image, tuple(notes)


def on_own_slices(values: np.ndarray, grid: Grid, stack: SliceStack) -> np.ndarray:
    """`OwnSlices` as one array (S, rows, columns)."""
    own = np.empty((len(stack.positions_mm), *stack.shape), values.dtype)
    for index, one in enumerate(OwnSlices(values, grid, stack)):
        own[index] = one
    return own


class OwnSlices(Sequence[np.ndarray]):
    """Values on the grid of `series_image` at the pixels of the series' slices, (rows, columns) each.

    Each pixel takes the value of the nearest voxel, and 0 beyond the grid. For an even series these are the
    values themselves. A slice is made when it is asked for.

    Args:
        values: (z, y, x).
    """

    def __init__(self, values: np.ndarray, grid: Grid, stack: SliceStack) -> None:
        self._values, self._shape = values, stack.shape
        self._grid = grid  # whose memory the values may be
        self._starts = _starts(grid, stack)

    def __len__(self) -> int:
        """S."""
        return len(self._starts)

    def __getitem__(self, index: Any) -> Any:
        """The slice of that number, from 0."""
        z, row, column = self._starts[index]
        own = np.zeros(self._shape, self._values.dtype)
        if 0 <= z < len(self._values):
            to_rows, from_rows = _shared(row, self._shape[0], self._values.shape[1])
            to_columns, from_columns = _shared(column, self._shape[1], self._values.shape[2])
            own[to_rows, to_columns] = self._values[z, from_rows, from_columns]
        return own


def _starts(grid: Grid, stack: SliceStack) -> np.ndarray:
    """Voxel (z, y, x) of the grid nearest to the first pixel of each slice, (S, 3)."""
    axes = np.reshape(grid.GetDirection(), (3, 3)) * grid.GetSpacing()
    offsets = np.linalg.solve(axes, (stack.positions_mm - grid.GetOrigin()).T).T
    # off halves by more than headers round, so that slices midway between two voxels all go the same way
    return np.rint(offsets[:, ::-1] - 1e-4).astype(int)


def _shared(start: int, n_own: int, n_grid: int) -> tuple[slice, slice]:
    """The own pixels that are on the grid, and where there, along one axis."""
    first = max(0, -start)
    last = max(first, min(n_own, n_grid - start))
    return slice(first, last), slice(first + start, last + start)
