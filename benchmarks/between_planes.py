"""How well masks come out of contours in other planes than the slices: Dice to exact balls and ellipsoids.

    python benchmarks/between_planes.py

prints a table: the least and the mean Dice of the nearest plane alone, and of interpolation between planes.
"""

from __future__ import annotations

import numpy as np

from nnunetv2_raemd.rasterize.contours import Contour, SliceStack, rasterize

PIXEL_MM = 0.9
SIZE = 96
HALF_AXES_MM = [(8, 8, 8), (10, 10, 10), (12, 9, 14), (15, 15, 15), (20, 14, 11), (25, 25, 25)]
PLANES_AND_SLICES_MM = [
    (1, 3),
    (1.5, 3),
    (2, 3),
    (2.5, 3),
    (3, 3),
    (3.5, 3),
    (4, 3),
    (5, 1),
    (5, 1.25),
    (5, 2),
]
PLACES = 12
SEED = 1


def main() -> None:
    """Print the table."""
    print("| planes, slices | the nearest plane | interpolated |\n|---|---|---|")
    for planes_mm, slices_mm in PLANES_AND_SLICES_MM:
        rng = np.random.default_rng(SEED)
        shapes = [axes for axes in HALF_AXES_MM for _ in range(PLACES)]
        dice = np.array([_dice(axes, planes_mm, slices_mm, rng) for axes in shapes])
        cells = [_cell(column) for column in dice.T]
        print(f"| {planes_mm:g} mm, {slices_mm:g} mm | {' | '.join(cells)} |", flush=True)


def _cell(dice: np.ndarray) -> str:
    return f"{dice.min():.3f}, {dice.mean():.3f}"


def _dice(
    axes: tuple[int, int, int], planes_mm: float, slices_mm: float, rng: np.random.Generator
) -> list[float]:
    """Dice of the nearest plane and of interpolation, of one ellipsoid at a random place."""
    centre = np.array([40.0, 40.0, 45.0]) + rng.random(3) * [1, 1, slices_mm]
    slices, planes = np.arange(0, 90, slices_mm), np.arange(rng.random() * planes_mm, 90, planes_mm)
    drawn = _sections(axes, centre, planes)
    there = np.asarray(drawn.any(axis=(1, 2)))
    planes, drawn, truth = planes[there], drawn[there], _sections(axes, centre, slices)
    distance = np.abs(slices[:, None] - planes)
    nearest = drawn[distance.argmin(axis=1)] & (distance.min(axis=1) <= planes_mm / 2)[:, None, None]
    stack = SliceStack(
        np.outer(slices, [0, 0, 1.0]), np.array([PIXEL_MM, 0, 0]), np.array([0, PIXEL_MM, 0]), (SIZE, SIZE)
    )
    contours = [_outline(axes, centre, height) for height in planes]
    return [_overlap(mask, truth) for mask in (nearest, rasterize(contours, stack, bridge=True).mask)]


def _outline(axes: tuple[int, int, int], centre: np.ndarray, height: float) -> Contour:
    angle = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    share = np.sqrt(1 - ((height - centre[2]) / axes[2]) ** 2)
    x, y = centre[0] + share * axes[0] * np.cos(angle), centre[1] + share * axes[1] * np.sin(angle)
    return Contour(np.stack([x, y, np.full_like(x, height)], axis=1))


def _sections(axes: tuple[int, int, int], centre: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Exact masks (heights, rows, columns) of an ellipsoid; all in mm."""
    row, column = np.ogrid[:SIZE, :SIZE]
    in_plane = ((column * PIXEL_MM - centre[0]) / axes[0]) ** 2 + (
        (row * PIXEL_MM - centre[1]) / axes[1]
    ) ** 2
    left = 1 - ((heights - centre[2]) / axes[2]) ** 2
    return np.asarray((in_plane <= left[:, None, None]) & (left > 0)[:, None, None])


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other)))


if __name__ == "__main__":
    main()
