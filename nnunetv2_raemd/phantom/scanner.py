"""From tissue to CT image: blur, correlated noise, integer CT numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from nnunetv2_raemd.phantom.grid import FloatArray, Grid

HU_MIN, HU_MAX = -1024, 3071
POINT_SPREAD_MM = 0.6
NOISE_GRAIN = (0.3, 0.7, 0.7)  # voxels: noise of neighbouring slices is nearly independent


def scan(tissue: FloatArray, grid: Grid, *, noise_hu: float, rng: np.random.Generator) -> NDArray[np.int16]:
    """The CT image in HU of a tissue volume in HU."""
    blur = (0.0, POINT_SPREAD_MM / grid.spacing_mm[1], POINT_SPREAD_MM / grid.spacing_mm[2])
    image = gaussian_filter(tissue, blur, truncate=3)
    if noise_hu > 0:
        image += correlated_noise(grid.shape, NOISE_GRAIN, rng) * np.float32(noise_hu)
    return np.clip(np.rint(image), HU_MIN, HU_MAX).astype(np.int16)


def correlated_noise(
    shape: tuple[int, ...], grain: tuple[float, ...], rng: np.random.Generator
) -> FloatArray:
    """Gaussian noise of mean 0 and standard deviation 1 whose grain has the given widths in voxels."""
    noise = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), grain, truncate=3)
    return (noise - noise.mean()) / noise.std()


def smooth_texture(grid: Grid, grain_mm: float, rng: np.random.Generator) -> FloatArray:
    """A slowly varying random field, between random knots `grain_mm` apart; standard deviation about 0.6."""
    knots = [int(np.ceil(n * d / grain_mm)) + 1 for n, d in zip(grid.shape, grid.spacing_mm, strict=True)]
    field = rng.standard_normal(knots, dtype=np.float32)
    for axis, (n, spacing) in enumerate(zip(grid.shape, grid.spacing_mm, strict=True)):
        field = _interpolate(field, np.arange(n) * spacing / grain_mm, axis)
    return field


def _interpolate(field: FloatArray, positions: NDArray[np.floating], axis: int) -> FloatArray:
    """Linear interpolation along one axis at positions counted in knots."""
    left = np.minimum(positions.astype(int), field.shape[axis] - 2)
    column = [1] * field.ndim
    column[axis] = -1
    weight = (positions - left).astype(np.float32).reshape(column)
    return field.take(left, axis) * (1 - weight) + field.take(left + 1, axis) * weight
