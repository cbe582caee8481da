"""Finding a place for every nodule or tumour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.phantom import tissues
from nnunetv2_raemd.phantom.configuration import LesionKind, PhantomConfiguration
from nnunetv2_raemd.phantom.grid import Box, Grid
from nnunetv2_raemd.phantom.lesion_shape import LesionShape, sample_shape
from nnunetv2_raemd.phantom.lung_map import LungMap
from nnunetv2_raemd.phantom.tubes import Tube

Vector = NDArray[np.float64]

TRIES = 200
GAP_MM = 4.0
# A lesion of which the pleura would cut off more than this share is put elsewhere.
LARGEST_CUT = 0.25
# Depth of the centre below the pleura in radii: a cap of at most 10 % of the diameter is cut off.
PLEURAL_DEPTH = (0.78, 0.92)


class NoRoomError(UserError):
    """The lungs, as they were drawn, have no place for a lesion."""


@dataclass(frozen=True)
class Lesion:
    """A nodule or tumour of the phantom.

    Attributes:
        kind: how it lies in the lung.
        nominal_diameter_mm: diameter of the sphere of (about) the same volume, before any cut at the pleura.
        hu: its CT number.
        shape: its surface.
        lung: the lung it lies in.
    """

    kind: LesionKind
    nominal_diameter_mm: float
    hu: float
    shape: LesionShape
    lung: LungMap

    def box(self, grid: Grid) -> Box:
        """The voxels it can touch."""
        reach = self.shape.reach_mm
        return grid.box(self.shape.centre_mm - reach, self.shape.centre_mm + reach)

    def mask(self, grid: Grid) -> NDArray[np.bool_]:
        """Which voxels of its box have their centre inside its shape and inside the lung."""
        axes = grid.axes(self.box(grid))
        return self.shape.contains(axes) & self.lung.contains(axes)


def place_free_lesions(
    lungs: Sequence[LungMap],
    kinds: Sequence[LesionKind],
    configuration: PhantomConfiguration,
    grid: Grid,
    rng: np.random.Generator,
) -> list[Lesion]:
    """Place lesions that need no vessel, each in a random lung, clear of each other.

    Raises:
        NoRoomError: no lung has room for one of them.
    """
    placed: list[Lesion] = []
    for kind in kinds:
        for _ in range(TRIES):
            lesion = _try_free(lungs[int(rng.integers(len(lungs)))], kind, configuration, grid, rng)
            if lesion is not None and is_apart(lesion.shape, placed):
                placed.append(lesion)
                break
        else:
            raise _no_room(kind, configuration)
    return placed


def attach_lesions(
    vessels: Sequence[tuple[LungMap, list[Tube]]],
    count: int,
    placed: Sequence[Lesion],
    configuration: PhantomConfiguration,
    grid: Grid,
    rng: np.random.Generator,
) -> list[Lesion]:
    """Place lesions that touch one vessel, clear of each other and of those already placed.

    Raises:
        NoRoomError: no vessel has room beside it.
    """
    attached: list[Lesion] = []
    for _ in range(count):
        for _ in range(4 * TRIES):
            lung, tubes = vessels[int(rng.integers(len(vessels)))]
            lesion = _try_attached(lung, tubes, configuration, grid, rng) if tubes else None
            if lesion is not None and is_apart(lesion.shape, [*placed, *attached]):
                attached.append(lesion)
                break
        else:
            raise _no_room("vessel-attached", configuration)
    return attached


def is_apart(shape: LesionShape, others: Sequence[Lesion]) -> bool:
    """Whether a shape keeps clear of other lesions."""
    return all(
        np.linalg.norm(shape.centre_mm - other.shape.centre_mm)
        > shape.reach_mm + other.shape.reach_mm + GAP_MM
        for other in others
    )


def _no_room(kind: LesionKind, configuration: PhantomConfiguration) -> NoRoomError:
    low, high = configuration.lesion_diameter_mm
    return NoRoomError(
        f"phantom lungs have no room for a {kind} lesion of {low:g} to {high:g} mm in "
        f"{configuration.shape} voxels of {configuration.spacing_mm} mm: make the field of view larger, "
        "or the lesions smaller or fewer"
    )


def _try_free(
    lung: LungMap,
    kind: LesionKind,
    configuration: PhantomConfiguration,
    grid: Grid,
    rng: np.random.Generator,
) -> Lesion | None:
    radius = rng.uniform(*configuration.lesion_diameter_mm) / 2
    shape = sample_shape(rng, np.zeros(3), radius, irregularity=configuration.irregularity)
    if kind == "solitary":
        depths = (shape.reach_mm + 2.0, np.inf)
    else:
        depths = (PLEURAL_DEPTH[0] * radius, PLEURAL_DEPTH[1] * radius)
    places = lung.points_between(*depths, end_margin_mm=shape.reach_mm + grid.spacing_mm[0])
    if kind != "solitary":
        places = places[_touches_mediastinum(lung, places, radius) == (kind == "mediastinal")]
    if len(places) == 0:
        return None
    lesion = _lesion(kind, radius, places[rng.integers(len(places))], shape, lung, rng)
    return lesion if _is_whole(lesion, grid) else None


def _touches_mediastinum(lung: LungMap, places: Vector, radius_mm: float) -> NDArray[np.bool_]:
    """Whether the nearest pleura lies towards the midline."""
    aside = np.array([0.0, 0.0, 2.0])
    rise = lung.depth_at(places + aside) - lung.depth_at(places - aside)
    outward = 1 if lung.side == "left" else -1
    return rise * outward > 2.0


def _try_attached(
    lung: LungMap,
    tubes: list[Tube],
    configuration: PhantomConfiguration,
    grid: Grid,
    rng: np.random.Generator,
) -> Lesion | None:
    """A lesion whose surface dips slightly into a vessel, and into no other."""
    tube = tubes[int(rng.integers(len(tubes)))]
    k = int(rng.integers(len(tube.points_mm) // 3, len(tube.points_mm)))
    radius = rng.uniform(*configuration.lesion_diameter_mm) / 2
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    place = tube.points_mm[k] + direction * (radius + 0.5 * tube.radii_mm[k])
    shape = sample_shape(rng, place, radius, irregularity=configuration.irregularity)
    fits = (
        np.abs(place[0]) <= grid.half_extent_mm[0] - shape.reach_mm - grid.spacing_mm[0]
        and lung.depth_at(place)[0] >= shape.reach_mm
        and tube.clearance_mm(place) > 0.8 * radius
        and all(other.clearance_mm(place) > 0.9 * radius for other in tubes if other is not tube)
    )
    if not fits:
        return None
    lesion = _lesion("vessel-attached", radius, place, shape, lung, rng)
    return lesion if _is_whole(lesion, grid) else None


def _is_whole(lesion: Lesion, grid: Grid) -> bool:
    """Whether the lesion covers at least one voxel centre and lies in the lung except for a small cap."""
    kept = lesion.mask(grid).sum()
    return bool(
        kept >= 1 and kept >= (1 - LARGEST_CUT) * lesion.shape.contains(grid.axes(lesion.box(grid))).sum()
    )


def _lesion(
    kind: LesionKind,
    radius: float,
    place: Vector,
    shape: LesionShape,
    lung: LungMap,
    rng: np.random.Generator,
) -> Lesion:
    moved = LesionShape(place, radius, shape.matrix, shape.bump_directions, shape.bump_heights)
    return Lesion(kind, 2 * radius, float(rng.uniform(*tissues.SOLID_IN_LUNG)), moved, lung)
