"""Outlines of a mask along its pixels' edges, which an even-odd fill of pixel centres turns back exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, int]


def trace_outlines(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Closed outlines of a 2D mask, holes included.

    Args:
        mask: (rows, columns).

    Returns:
        (N, 2) arrays of corners (row, column) in pixel index units, all of them at half integers; the last
        corner joins the first. Regions and holes are separate outlines: a pixel belongs to the mask where an
        odd number of outlines surrounds its centre.
    """
    following = _edges(mask)
    outlines = []
    while following:
        outline = _follow(following)
        outlines.append(np.array(_without_straight_corners(outline), dtype=np.float64) - 0.5)
    return outlines


def _edges(mask: NDArray[np.bool_]) -> dict[Corner, list[Corner]]:
    """Pixel edges between inside and outside, from corner to corner, the inside always on the same hand.

    Corner (r, c) is the upper left one of pixel (r, c).
    """
    padded = np.pad(mask, 1).astype(np.int8)
    across_rows = np.diff(padded, axis=0)[:, 1:-1]  # (r, c): edge above pixel (r, c)
    across_columns = np.diff(padded, axis=1)[1:-1]  # (r, c): edge left of pixel (r, c)
    starts_and_steps = (
        (np.argwhere(across_rows > 0), (0, 0), (0, 1)),
        (np.argwhere(across_rows < 0), (0, 1), (0, -1)),
        (np.argwhere(across_columns > 0), (1, 0), (-1, 0)),
        (np.argwhere(across_columns < 0), (0, 0), (1, 0)),
    )
    following: dict[Corner, list[Corner]] = {}
    for pixels, shift, step in starts_and_steps:
        for r, c in (pixels + shift).tolist():
            following.setdefault((r, c), []).append((r + step[0], c + step[1]))
    return following


def _follow(following: dict[Corner, list[Corner]]) -> list[Corner]:
    """Take one closed outline out of the edges."""
    start = next(iter(following))
    outline = [start]
    while True:
        here = outline[-1]
        onward = following[here].pop()
        if not following[here]:
            del following[here]
        if onward == start:
            return outline
        outline.append(onward)


def _without_straight_corners(outline: list[Corner]) -> list[Corner]:
    before = outline[-1:] + outline[:-1]
    after = outline[1:] + outline[:1]
    return [
        corner
        for a, corner, b in zip(before, outline, after, strict=True)
        if not (a[0] == corner[0] == b[0] or a[1] == corner[1] == b[1])
    ]
