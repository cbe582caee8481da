"""A CT series as an image on an even grid, and labels on that grid brought back to the series' own slices."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from nnunetv2_raemd.dicom.ct_series import CtSeries, read_hu, to_image
from nnunetv2_raemd.dicom.slice_resampling import even_grid, resample_hu
from nnunetv2_raemd.rasterize.contours import SliceStack


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


def on_own_slices(values: np.ndarray, grid: sitk.Image, stack: SliceStack) -> np.ndarray:
    """Values (z, y, x) on the grid of `series_image` at the pixels of the series' slices, (S, rows, columns).

    Each pixel takes the value of the nearest voxel, and 0 beyond the grid. For an even series these are the
    values themselves.
    """
    own = np.zeros((len(stack.positions_mm), *stack.shape), values.dtype)
    for index, (z, row, column) in enumerate(_starts(grid, stack)):
        if 0 <= z < len(values):
            to_rows, from_rows = _shared(row, stack.shape[0], values.shape[1])
            to_columns, from_columns = _shared(column, stack.shape[1], values.shape[2])
            own[index, to_rows, to_columns] = values[z, from_rows, from_columns]
    return own


def _starts(grid: sitk.Image, stack: SliceStack) -> np.ndarray:
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
