"""The two lungs as smooth implicit surfaces: chest cage, mediastinum, diaphragm.

Lengths inside this file are those of an adult chest of 340 mm width; `ChestShape.scale` brings them to the
chest at hand. Directions: z to the head, y to the back, x to the patient's left; z = 0 is near the carina.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from nnunetv2_raemd.phantom.grid import Axes, FloatArray

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")

ADULT_WIDTH_MM = 340.0


@dataclass(frozen=True)
class ChestShape:
    """One patient's chest in adult mm.

    Attributes:
        scale: true mm per adult mm.
        body: half width and half depth of the body.
        cage: half width and half depth of the space inside the ribs.
        apex: height of the lungs' tops.
        base: height of the diaphragm's rim.
        dome: height of the (left, right) dome of the diaphragm above its rim.
        heart: centre (z, y, x) of the heart.
        heart_axes: its half axes.
        wave_phase: phases of the gentle waves of the lungs' surface.
    """

    scale: float
    body: tuple[float, float]
    cage: tuple[float, float]
    apex: float
    base: float
    dome: tuple[float, float]
    heart: tuple[float, float, float]
    heart_axes: tuple[float, float, float]
    wave_phase: tuple[float, float, float]

    def adult(self, axes: Axes) -> Axes:
        """Coordinates in true mm as adult mm."""
        inverse = np.float32(1 / self.scale)
        return axes[0] * inverse, axes[1] * inverse, axes[2] * inverse


def sample_chest(rng: np.random.Generator, *, scale: float) -> ChestShape:
    """Draw one patient's chest."""
    vary = rng.uniform
    body = (166 * vary(0.96, 1.0), 122 * vary(0.95, 1.04))
    fat = vary(14, 24)
    return ChestShape(
        scale=scale,
        body=body,
        cage=(body[0] - fat - 18, body[1] - fat - 12),
        apex=vary(122, 134),
        base=vary(-128, -112),
        dome=(vary(38, 50), vary(48, 62)),
        heart=(vary(-74, -60), vary(-34, -24), vary(16, 26)),
        heart_axes=(vary(54, 64), vary(40, 48), vary(52, 62)),
        wave_phase=(vary(0, 6.28), vary(0, 6.28), vary(0, 6.28)),
    )


def ellipse_depth(u: FloatArray, v: FloatArray, half_axes: tuple[float, float]) -> FloatArray:
    """Approximate depth below the surface of an elliptic cylinder (exact on it and for a circle)."""
    a, b = half_axes
    return (1 - np.sqrt(np.square(u / np.float32(a)) + np.square(v / np.float32(b)))) * np.float32(min(a, b))


def ellipsoid_depth(axes: Axes, centre: tuple[float, float, float], half: tuple[float, ...]) -> FloatArray:
    """Approximate depth below the surface of an ellipsoid, positive inside."""
    terms = (
        np.square((p - np.float32(c)) / np.float32(h)) for p, c, h in zip(axes, centre, half, strict=True)
    )
    return (1 - np.sqrt(sum(terms))) * np.float32(min(half))


def heart_depth(chest: ChestShape, axes: Axes) -> FloatArray:
    """Depth below the heart's surface in true mm, positive inside."""
    return ellipsoid_depth(chest.adult(axes), chest.heart, chest.heart_axes) * np.float32(chest.scale)


def body_depth(chest: ChestShape, axes: Axes) -> FloatArray:
    """Depth below the skin in true mm, positive inside."""
    _, y, x = chest.adult(axes)
    a, b = chest.body
    # a fourth-power ellipse: a trunk is flatter front and back than an ellipse
    u, v = np.square(x / np.float32(a)), np.square(y / np.float32(b))
    radius = np.sqrt(np.sqrt(u * u + v * v + u * v))
    return (1 - radius) * np.float32(b * chest.scale)


def cage_depth(chest: ChestShape, axes: Axes) -> FloatArray:
    """Depth inside the ribs in true mm, positive inside; the cage narrows towards the apex."""
    z, y, x = chest.adult(axes)
    shoulder = -50.0
    rise = np.clip((z - shoulder) / np.float32(chest.apex - shoulder), 0, 1)
    taper = np.sqrt(np.clip(1 - rise**2.4, 0.01, 1))
    a, b = chest.cage
    radius = np.sqrt(np.square(x / np.float32(a)) + np.square((y + 3) / np.float32(b)))
    return (taper - radius) * np.float32(b * chest.scale)


def _mediastinum_depth(chest: ChestShape, axes: Axes) -> FloatArray:
    """Depth inside heart, great vessels and spine in adult mm, positive inside."""
    z, y, x = axes
    parts = [
        ellipse_depth(y + 18, x - 2, (62.0, 30.0)),
        ellipse_depth(y - 62, x, (32.0, 25.0)),
        ellipse_depth(y - 42, x - 22, (17.0, 17.0)),
        ellipsoid_depth(axes, chest.heart, tuple(h + 4 for h in chest.heart_axes)),
        6 - np.abs(x) + 0 * y,
    ]
    depth = parts[0] + 0 * z
    for part in parts[1:]:
        depth = np.maximum(depth, part)
    return depth


def diaphragm_height(chest: ChestShape, axes: Axes, side: Side) -> FloatArray:
    """Height of the diaphragm in adult mm over the (y, x) plane; lungs lie above it."""
    _, y, x = axes
    sign, dome = (1, chest.dome[0]) if side == "left" else (-1, chest.dome[1])
    bulge = 1 - np.square((x - np.float32(sign * 68)) / 80) - np.square((y + 8) / 95)
    return np.float32(chest.base) + np.float32(dome) * np.clip(bulge, -0.4, 1)


def lung_depth(chest: ChestShape, axes: Axes, side: Side) -> FloatArray:
    """Depth below the pleura of one lung in true mm, positive inside."""
    z, y, x = chest.adult(axes)
    a, b, c = chest.wave_phase
    wave = 2.5 * np.sin(z / 23 + a) * np.sin(y / 31 + b) + 1.5 * np.sin((y - z) / 14 + c)
    outside = _mediastinum_depth(chest, (z, y, x))
    sign = np.float32(1 if side == "left" else -1)
    adult = np.minimum(sign * x, -outside - wave.astype(np.float32))
    adult = np.minimum(adult, (z - diaphragm_height(chest, (z, y, x), side)) * np.float32(0.8))
    return np.minimum(adult * np.float32(chest.scale), cage_depth(chest, axes))
