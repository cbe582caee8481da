"""How well masks come out of contours in other planes than the slices: Dice to exact balls and ellipsoids.

    python benchmarks/between_planes.py

prints a table: the least and the mean Dice of interpolation between planes, and of the nearest plane alone.
"""

from __future__ import annotations

import numpy as np

from nnunetv2_raemd.rasterize.between_planes import Spacing, shapes_at

PIXEL_MM = 0.9
SIZE = 96
HALF_AXES_MM = [(8, 8, 8), (10, 10, 10), (12, 9, 14), (15, 15, 15), (20, 14, 11), (25, 25, 25)]
PLANES_AND_SLICES_MM = [(1, 3), (1.5, 3), (2, 3), (2.5, 3), (5, 1), (5, 1.25), (5, 2)]
PLACES = 12
SEED = 1


def main() -> None:
    """Print the table."""
    print("| planes, slices | the nearest plane | interpolated |\n|---|---|---|")
    for planes_mm, slices_mm in PLANES_AND_SLICES_MM:
        rng = np.random.default_rng(SEED)
        both = np.array(
            [_dice(axes, planes_mm, slices_mm, rng) for axes in HALF_AXES_MM for _ in range(PLACES)]
        )
        least, mean = both.min(axis=0), both.mean(axis=0)
        cells = [f"{low:.3f}, {usual:.3f}" for low, usual in zip(least, mean, strict=True)]
        print(f"| {planes_mm:g} mm, {slices_mm:g} mm | {' | '.join(cells)} |", flush=True)


def _dice(
    axes: tuple[int, int, int], planes_mm: float, slices_mm: float, rng: np.random.Generator
) -> list[float]:
    """Dice of the nearest plane and of interpolation, of one ellipsoid at a random place."""
    centre = np.array([40.0, 40.0, 45.0]) + rng.random(3) * [1, 1, slices_mm]
    slices, planes = np.arange(0, 90, slices_mm), np.arange(rng.random() * planes_mm, 90, planes_mm)
    drawn = _sections(axes, centre, planes)
    there = np.asarray(drawn.any(axis=(1, 2)))
    planes, drawn, truth = planes[there], drawn[there], _sections(axes, centre, slices)
    spacing = Spacing((PIXEL_MM, PIXEL_MM), planes_mm, 0.05 * slices_mm)
    distance = np.abs(slices[:, None] - planes)
    nearest = drawn[distance.argmin(axis=1)] & (distance.min(axis=1) <= planes_mm / 2)[:, None, None]
    return [_overlap(mask, truth) for mask in (nearest, shapes_at(slices, planes, drawn, spacing))]


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
