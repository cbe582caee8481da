"""Distances between the surfaces of two masks in mm, by DeepMind's surfel definition.

A surface element (surfel) sits at every corner of voxels round which not all voxels agree; its area is that
of the marching-cubes triangles there. This is the definition of the package surface-distance (Nikolov et al.,
https://arxiv.org/abs/1809.04430), which is no longer kept up: it fails with NumPy 1.26 and, on empty masks,
with 2. MONAI has the same tables and finds the surfels here; SciPy finds the nearest ones.

A surfel depends on the 2x2x2 voxels round a corner, and different 26-connected components never share such a
neighbourhood. So the surfels of a mask are those of its components, each found in its own bounding box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.extras import needs_extra
from nnunetv2_raemd.volumes.boxes import Box, Mask
from nnunetv2_raemd.volumes.components import Components

SURFACE_METRICS = ("hd95_mm", "assd_mm")
"""Keys (`metrics.Metric.key`) of what is measured here."""

Floats = NDArray[np.float64]
_VOXELS_AT_ONCE = 4_000_000  # bounds the memory for components as large as a lung


@dataclass(frozen=True)
class Surface:
    """Surfels: places (n, 3) and areas (n,); in one slice places (n, 2) and lengths of contour."""

    points_mm: Floats
    areas: Floats

    def __len__(self) -> int:
        """How many surfels there are."""
        return len(self.areas)


def find_surface(components: Components, spacing_mm: Sequence[float]) -> Surface:
    """The surface of all components together.

    Args:
        spacing_mm: (z, y, x). For an array of one slice the contours in that slice are meant.

    Raises:
        UserError: if MONAI is not installed.
    """
    if components.numbers.shape[0] == 1:
        return _joined([_contour(components, i, spacing_mm) for i in range(len(components))], 2)
    pieces = [
        _surfels(_component(components, i), spacing_mm, _start(components.boxes[i]))
        for i in range(len(components))
    ]
    return _joined(pieces, 3)


def surface_metrics(reference: Surface, prediction: Surface) -> dict[str, float]:
    """HD95 and ASSD by `metrics.Metric.key`; NaN where both surfaces are empty, infinite where one is.

    HD95 is the greater of the two directions' 95th percentiles, ASSD the mean over all surfels of both masks.
    Surfels weigh by their area.
    """
    if not len(reference) or not len(prediction):
        distance = math.inf if len(reference) or len(prediction) else math.nan
        return {"hd95_mm": distance, "assd_mm": distance}
    to_prediction = _nearest_mm(reference, prediction)
    to_reference = _nearest_mm(prediction, reference)
    distances = np.concatenate([to_prediction, to_reference])
    areas = np.concatenate([reference.areas, prediction.areas])
    hd95 = max(
        weighted_percentile(to_prediction, reference.areas, 95),
        weighted_percentile(to_reference, prediction.areas, 95),
    )
    return {"hd95_mm": hd95, "assd_mm": float(np.average(distances, weights=areas))}


def weighted_percentile(values: Floats, weights: Floats, percent: float) -> float:
    """The smallest value up to which at least that percentage of the weight lies."""
    order = np.lexsort((weights, values))
    share = np.cumsum(weights[order]) / np.sum(weights)
    position = int(np.searchsorted(share, percent / 100))
    return float(values[order[min(position, len(values) - 1)]])


def has_monai() -> bool:
    """Whether MONAI, which finds the surfaces, can be imported."""
    try:
        monai_mask_edges()
    except UserError:
        return False
    return True


def monai_mask_edges() -> Any:
    """MONAI's function that finds surfels.

    Raises:
        UserError: if MONAI is not installed.
    """
    with needs_extra("evaluation", "measuring HD95 and ASSD"):
        from monai.metrics.utils import get_mask_edges  # noqa: PLC0415 - takes seconds
    return get_mask_edges


def _surfels(mask: Mask, spacing_mm: Sequence[float], start: Sequence[int]) -> Surface:
    """The surfels of one component; `mask` is its bounding box, which begins at voxel `start`."""
    import torch  # noqa: PLC0415 - takes seconds, as MONAI does

    padded = torch.from_numpy(np.pad(mask, 1))  # surfels need a voxel of background around
    thickness = max(1, _VOXELS_AT_ONCE // padded[0].numel())
    pieces = []
    for first in range(0, len(padded) - 1, thickness):
        slab = padded[first : first + thickness + 1]
        edges, _, areas, _ = monai_mask_edges()(slab, slab, crop=False, spacing=tuple(spacing_mm))
        corners = np.add(edges.nonzero().numpy(), [start[0] + first, *start[1:]])
        places = corners * np.asarray(spacing_mm, np.float64)
        pieces.append(Surface(places, areas[edges].numpy().astype(np.float64)))
    return _joined(pieces, mask.ndim)


def _contour(components: Components, i: int, spacing_mm: Sequence[float]) -> Surface:
    return _surfels(_component(components, i)[0], spacing_mm[1:], _start(components.boxes[i])[1:])


def _component(components: Components, i: int) -> Mask:
    mask: Mask = components.numbers[components.boxes[i]] == i + 1
    return mask


def _start(box: Box) -> list[int]:
    return [side.start for side in box]


def _joined(surfaces: list[Surface], n_dimensions: int) -> Surface:
    if not surfaces:
        return Surface(np.zeros((0, n_dimensions)), np.zeros(0))
    points, areas = zip(*((s.points_mm, s.areas) for s in surfaces), strict=True)
    return Surface(np.concatenate(points), np.concatenate(areas))


def _nearest_mm(start: Surface, goal: Surface) -> Floats:
    distances, _ = KDTree(goal.points_mm).query(start.points_mm)
    return np.asarray(distances, np.float64)
