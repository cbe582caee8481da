"""The analytic shape of a nodule or tumour: a mildly irregular ellipsoid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.phantom.grid import Axes, FloatArray

BUMPS = 6


@dataclass(frozen=True)
class LesionShape:
    """A closed surface `|A (p - centre)| = radius * boundary(direction)` with `det A = 1`.

    Attributes:
        centre_mm: (z, y, x).
        radius_mm: radius of the sphere of (about) the same volume.
        matrix: (3, 3) A, turning the surface's ellipsoid into a sphere.
        bump_directions: (K, 3) unit vectors.
        bump_heights: (K,) relative height of the surface in those directions.
    """

    centre_mm: NDArray[np.float64]
    radius_mm: float
    matrix: NDArray[np.float64]
    bump_directions: NDArray[np.float64]
    bump_heights: NDArray[np.float64]

    @property
    def reach_mm(self) -> float:
        """Radius of a sphere round the centre that holds the whole shape."""
        stretch = 1 / np.linalg.svd(self.matrix, compute_uv=False).min()
        return float(self.radius_mm * stretch * (1 + np.abs(self.bump_heights).sum() / 2))

    def contains(self, axes: Axes) -> NDArray[np.bool_]:
        """Whether points (three arrays that broadcast, mm) lie inside or on the surface."""
        z, y, x = (axis - np.float32(c) for axis, c in zip(axes, self.centre_mm, strict=True))
        p = [np.float32(a) * z + np.float32(b) * y + np.float32(c) * x for a, b, c in self.matrix]
        distance = np.sqrt(sum(np.square(q) for q in p))
        return distance <= np.float32(self.radius_mm) * self._boundary(p, distance)

    def _boundary(self, p: list[FloatArray], distance: FloatArray) -> FloatArray:
        """Relative radius of the surface in the direction of p, mean 1 over the sphere."""
        boundary = np.ones_like(distance)
        inverse = 1 / np.maximum(distance, np.float32(1e-6))
        for height, direction in zip(self.bump_heights, self.bump_directions, strict=True):
            cosine = sum(np.float32(d) * q for d, q in zip(direction, p, strict=True)) * inverse
            boundary += np.float32(height) * (cosine**3 + 0.5 * (cosine**2 - np.float32(1 / 3)))
        return boundary


def sample_shape(
    rng: np.random.Generator, centre_mm: NDArray[np.float64], radius_mm: float, *, irregularity: float
) -> LesionShape:
    """Draw a shape; `irregularity` 0 gives exactly a sphere."""
    logs = rng.normal(0, irregularity, 3)
    stretch = np.exp(-(logs - logs.mean()))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    directions = rng.normal(size=(BUMPS, 3))
    return LesionShape(
        centre_mm=np.asarray(centre_mm, dtype=np.float64),
        radius_mm=radius_mm,
        matrix=turn @ np.diag(stretch) @ turn.T,
        bump_directions=directions / np.linalg.norm(directions, axis=1, keepdims=True),
        bump_heights=rng.normal(0, irregularity / 2, BUMPS),
    )
