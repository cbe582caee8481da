"""The long and the short axis of a lesion in an axial slice, as radiologists measure them.

The long axis is the longest diameter in any one axial slice, the short axis the longest one perpendicular to
it in the same slice (RECIST 1.1, Eisenhauer et al. 2009; DICOM's 103339001 and 103340004, SCT). Both run
between points of the outline halfway between voxels within and without, where marching squares put it, as
PyRadiomics' Maximum2DDiameterSlice does. Between the centres of the outermost voxels a single voxel would
have no size. Of discs, the long axis comes out 0.7 of a pixel too long on average and the short one 0.3,
neither by more than a pixel.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

Points = NDArray[np.float64]
_ALIKE = 1e-9  # of the long axis: chords within this differ by rounding only


class AxialAxes(NamedTuple):
    """Both axes in mm, and the slice of the mask that they lie in."""

    long_mm: float
    short_mm: float
    slice: int


def axial_axes(mask: NDArray[np.bool_], pixel_mm: tuple[float, float]) -> AxialAxes:
    """The axes of a mask (slice, row, column) that holds something.

    Args:
        pixel_mm: size of a pixel in its slices (rows, columns).
    """
    held = np.flatnonzero(mask.any(axis=(1, 2))).tolist()
    hulls = {z: _hull(mask[z], pixel_mm) for z in held}
    longest = max(held, key=lambda z: float(pdist(hulls[z]).max()))  # of equals, the first
    return AxialAxes(*_axes(hulls[longest]), longest)


def _hull(mask: NDArray[np.bool_], pixel_mm: tuple[float, float]) -> Points:
    """The corners, in order, of the convex hull of a slice's outline, (n, 2) in mm."""
    padded = np.pad(mask, 1)
    below, right = padded[1:] != padded[:-1], padded[:, 1:] != padded[:, :-1]
    between = [np.add(np.argwhere(below), (0.5, 0)), np.add(np.argwhere(right), (0, 0.5))]
    points: Points = np.concatenate(between) * pixel_mm
    return points[ConvexHull(points).vertices]


def _axes(hull: Points) -> tuple[float, float]:
    distances = squareform(pdist(hull))
    long_mm = float(distances.max())
    pairs = np.argwhere(np.triu(distances) >= long_mm * (1 - _ALIKE))
    return long_mm, max(_longest_across(hull, hull[j] - hull[i]) for i, j in pairs.tolist())


def _longest_across(hull: Points, direction: NDArray[Any]) -> float:
    """The longest chord of a convex polygon perpendicular to a direction; it begins at a corner."""
    along = direction / np.linalg.norm(direction)
    turned = hull @ np.stack([along, (-along[1], along[0])], axis=1)
    ends = np.roll(turned, -1, axis=0)
    return max(_chord(turned, ends, place) for place in turned[:, 0].tolist())


def _chord(starts: Points, ends: Points, place: float) -> float:
    """Length of the polygon's chord at that place on the first axis; its sides run from starts to ends."""
    low, high = np.minimum(starts[:, 0], ends[:, 0]), np.maximum(starts[:, 0], ends[:, 0])
    met = (low <= place) & (place <= high) & (low < high)
    if not met.any():
        return 0.0
    share = (place - starts[met, 0]) / (ends[met, 0] - starts[met, 0])
    across = starts[met, 1] + share * (ends[met, 1] - starts[met, 1])
    return float(np.ptp(across))
