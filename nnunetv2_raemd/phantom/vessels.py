"""Pulmonary vessels: thick trunks that run through the slices, and branches that leave them.

A trunk's cross-section is a round disc of a nodule's size and CT number: one slice cannot tell the two
apart. A trunk goes on over many slices, a nodule begins and ends within a few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.phantom import tissues
from nnunetv2_raemd.phantom.configuration import PhantomConfiguration
from nnunetv2_raemd.phantom.lesion_shape import LesionShape
from nnunetv2_raemd.phantom.lung_map import LungMap
from nnunetv2_raemd.phantom.tubes import Tube

Vector = NDArray[np.float64]

HILUM_ADULT_MM = np.array([-4.0, 4.0, 40.0])
TRUNK_POINTS = 24
GAP_MM = 2.0
# A trunk must climb at least this share of the lung above or below the hilum, and this many diameters.
SHORTEST_RISE = 0.45
SHORTEST_RUN = 2.5
OVERSHOOT = 1.15  # some trunks reach the pleura or leave the scan, where they are cut
TRIES = 80
BRANCHES_PER_LUNG = 45
SMALLEST_RADIUS_MM = 0.45
STEP_MM = 3.5


@dataclass(frozen=True)
class _Place:
    """What limits where a vessel can run."""

    lung: LungMap
    lesions: Sequence[LesionShape]

    def is_free(self, points_mm: Vector, radii_mm: Vector) -> bool:
        """Whether a tube keeps clear of all lesions."""
        return all(
            (np.linalg.norm(points_mm - lesion.centre_mm, axis=1) > radii_mm + lesion.reach_mm + GAP_MM).all()
            for lesion in self.lesions
        )


def grow_vessels(
    lung: LungMap,
    configuration: PhantomConfiguration,
    lesions: Sequence[LesionShape],
    *,
    scale: float,
    rng: np.random.Generator,
) -> list[Tube]:
    """The vessels of one lung, trunks first; none comes closer than 2 mm to a lesion.

    Args:
        lung: where the lung is.
        configuration: number and diameter of the trunks.
        lesions: what to keep clear of.
        scale: true mm per adult mm, for the hilum's place.
        rng: source of chance.
    """
    place = _Place(lung, lesions)
    side = 1 if lung.side == "left" else -1
    hilum = HILUM_ADULT_MM * scale * np.array([1, 1, side])
    trunks = _grow_trunks(place, configuration, hilum, rng)
    branches = [
        branch for _ in range(BRANCHES_PER_LUNG) for branch in _grow_branch(place, trunks, hilum, rng)
    ]
    return trunks + branches


def _grow_trunks(
    place: _Place, configuration: PhantomConfiguration, hilum: Vector, rng: np.random.Generator
) -> list[Tube]:
    low, high = configuration.trunk_count
    diameters = rng.uniform(*configuration.trunk_diameter_mm, size=rng.integers(low, high + 1))
    trunks: list[Tube] = []
    for diameter in sorted(diameters, reverse=True):  # the thickest need the most room
        ends = _trunk_ends(place.lung, diameter / 2, hilum)
        for _ in range(TRIES if len(ends) else 0):
            end = ends[int(rng.integers(len(ends)))]
            trunk = _try_trunk(place, hilum, end, diameter / 2, rng)
            if trunk is not None and _is_apart(trunk, trunks):
                trunks.append(trunk)
                break
    return trunks


def _trunk_ends(lung: LungMap, radius: float, hilum: Vector) -> Vector:
    """Points high and low in the lung with room for a trunk's end; (N, 3)."""
    points = lung.points_between(0.8 * radius + 1, np.inf, end_margin_mm=0)
    rise = np.abs(points[:, 0] - hilum[0])
    return points[rise > SHORTEST_RISE * rise.max(initial=0)]


def _try_trunk(
    place: _Place, hilum: Vector, end: Vector, radius: float, rng: np.random.Generator
) -> Tube | None:
    """A curve from the hilum that soon turns up or down, towards its end."""
    start = hilum + rng.normal(0, [8, 4, 2])
    run = OVERSHOOT * (end[0] - start[0])
    turn = np.array([start[0] + 0.12 * run, *(end[1:] + rng.normal(0, 4, 2))])
    end = np.array([start[0] + run, *end[1:]])
    t = np.linspace(0, 1, TRUNK_POINTS)[:, None]
    points = (1 - t) ** 2 * start + 2 * t * (1 - t) * turn + t**2 * end
    points[:, 1:] += rng.normal(0, 1.5, 2) * np.sin(np.linspace(0, 2 * np.pi, TRUNK_POINTS))[:, None]
    return _fit_trunk(place, points, radius)


def _fit_trunk(place: _Place, points: Vector, radius: float) -> Tube | None:
    """Cut a trunk where the lung gets too shallow for it, tapering its end; None if little is left."""
    depth = place.lung.depth_at(points)
    free_run = TRUNK_POINTS // 4  # leaves the hilum, where it has no room yet
    shallow = np.flatnonzero(depth[free_run:] < 0.8 * radius)
    length = free_run + int(shallow[0]) if len(shallow) else TRUNK_POINTS
    if np.ptp(points[:length, 0]) < SHORTEST_RUN * 2 * radius:
        return None
    fade = np.clip((length - np.arange(length)) / 5, 0.35, 1)
    radii = radius * np.linspace(1, 0.8, length) * fade
    if not place.is_free(points[:length], radii):
        return None
    return Tube(points[:length], radii, hu=0.0)


def _is_apart(trunk: Tube, others: Sequence[Tube]) -> bool:
    """Whether a trunk, once it has left the hilum, keeps clear of the others."""
    first = TRUNK_POINTS // 4
    for other in others:
        gaps = np.linalg.norm(trunk.points_mm[first:, None] - other.points_mm[None, first:], axis=2)
        if (gaps - trunk.radii_mm[first:, None] - other.radii_mm[None, first:]).min() < GAP_MM:
            return False
    return True


def _grow_branch(
    place: _Place, trunks: Sequence[Tube], hilum: Vector, rng: np.random.Generator
) -> list[Tube]:
    """A thin vessel that leaves a trunk (or the hilum) outwards, with side branches."""
    if trunks:
        parent = trunks[int(rng.integers(len(trunks)))]
        k = int(rng.integers(2, len(parent.points_mm)))
        start, radius = parent.points_mm[k], min(0.6 * parent.radii_mm[k], rng.uniform(0.9, 2.6))
    else:
        start, radius = hilum, rng.uniform(0.9, 2.6)
    outward = (start - hilum) / max(float(np.linalg.norm(start - hilum)), 1.0)
    return _walk(place, start, outward + rng.normal(0, 0.8, 3), radius, rng)


def _walk(
    place: _Place, start: Vector, direction: Vector, radius: float, rng: np.random.Generator
) -> list[Tube]:
    """A thinning random walk that stops at the pleura or a lesion, then its side branches' walks."""
    points, radii = [start], [radius]
    while radii[-1] > SMALLEST_RADIUS_MM:
        direction = direction / np.linalg.norm(direction) + rng.normal(0, 0.22, 3)
        following = points[-1] + STEP_MM * direction / np.linalg.norm(direction)
        narrower = np.array([radii[-1] * 0.93])
        if place.lung.depth_at(following)[0] < narrower[0] or not place.is_free(following[None], narrower):
            break
        points.append(following)
        radii.append(float(narrower[0]))
    if len(points) < 3:
        return []
    tubes = [Tube(np.array(points), np.array(radii), hu=0.0)]
    for _ in range(2 if radius > 0.8 else 0):
        k = int(rng.integers(1, len(points)))
        aside = points[k] - points[k - 1] + STEP_MM * rng.normal(0, 0.8, 3)
        tubes += _walk(place, points[k], aside, 0.6 * radii[k], rng)
    return tubes


def with_solid_hu(tubes: Sequence[Tube], rng: np.random.Generator) -> list[Tube]:
    """The tubes with CT numbers drawn from the range that nodules share."""
    return [Tube(tube.points_mm, tube.radii_mm, float(rng.uniform(*tissues.SOLID_IN_LUNG))) for tube in tubes]
