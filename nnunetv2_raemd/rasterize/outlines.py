"""Masks to closed polygons that enclose exactly their pixels: the way back from `rasterise`. Numpy only.

Outlines run along the borders of pixels. So no pixel centre lies on one, whatever rule a reader has for such
points, and the area within is that of the pixels. Holes are joined to the outline round them by a channel of
no width ("keyhole", DICOM PS3.3 C.8.8.6.3), because readers that unite contours would fill a hole that is an
outline of its own. The channel too runs along the borders of pixels.
"""

from __future__ import annotations

import numpy as np

Corner = tuple[int, int]
"""Row and column of the upper left corner of a pixel, in pixels."""
# Steps along the border of a pixel with the pixel on the right: right, down, left, up.
_STEPS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])


def outline_mask(mask: np.ndarray) -> list[np.ndarray]:
    """Polygons round the pixels of `mask` (rows, columns; bool), each (N, 2) of (row, column).

    Pixel centres are at whole numbers, so corners are at halves. Each polygon encloses one region of pixels
    that share edges; pixels that touch at a corner only are in two polygons that touch there.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return []
    cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    loops = _loops(cut)
    shift = np.array([rows[0], columns[0]]) - 0.5
    return [_corners_only(np.array(loop)) + shift for loop in _with_keyholes(loops)]


def _loops(mask: np.ndarray) -> list[list[Corner]]:
    """All borders of a mask as loops of corners, with its pixels on the right: holes turn left."""
    start, step = _border_steps(np.pad(mask, 1))
    end = start + _STEPS[step]
    width = int(mask.shape[1]) + 2
    at = {(int(r) * width + int(c), int(s)): i for i, ((r, c), s) in enumerate(zip(start, step, strict=True))}
    corners, ends = start.tolist(), (end[:, 0] * width + end[:, 1]).tolist()
    steps = step.tolist()
    left = dict.fromkeys(range(len(corners)))  # in order, for the same polygons on every machine
    loops = []
    while left:
        first = edge = next(iter(left))
        loop: list[Corner] = []
        while edge in left:
            del left[edge]
            loop.append(tuple(corners[edge]))
            # to the right where two pixels touch at a corner: stay at the same pixel
            edge = next(
                at[key] for turn in (1, 0, 3) if (key := (ends[edge], (steps[edge] + turn) % 4)) in at
            )
        assert edge == first, "borders are closed"
        loops.append(loop)
    return loops


def _border_steps(padded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start (E, 2) and direction (E,) of the steps along all borders of a mask with a margin of one pixel."""
    inside = padded[1:-1, 1:-1]
    neighbours = (
        padded[:-2, 1:-1],
        padded[1:-1, 2:],
        padded[2:, 1:-1],
        padded[1:-1, :-2],
    )  # above, right ...
    corner = ((0, 0), (0, 1), (1, 1), (1, 0))  # where a pixel's step along that side starts
    starts, steps = [], []
    for direction, (neighbour, offset) in enumerate(zip(neighbours, corner, strict=True)):
        pixels = np.argwhere(inside & ~neighbour)
        starts.append(pixels + offset)
        steps.append(np.full(len(pixels), direction))
    return np.concatenate(starts), np.concatenate(steps)


def _with_keyholes(loops: list[list[Corner]]) -> list[list[Corner]]:
    """The outer loops, with every hole joined to the one round it."""
    outer = [loop for loop in loops if _turns_right(loop)]
    holes = [loop for loop in loops if not _turns_right(loop)]
    joined: dict[Corner, int] = {corner: i for i, loop in enumerate(outer) for corner in loop}
    # from the right to the left: what lies right of a hole has been joined already
    for hole in sorted(holes, key=lambda loop: max(c for _, c in loop), reverse=True):
        row, column = start = max(hole, key=lambda corner: corner[1])
        column += 1
        while (row, column) not in joined:
            column += 1
        target = joined[row, column]
        outer[target] = _spliced(outer[target], (row, column), hole, start)
        joined |= dict.fromkeys(hole, target)
    return outer


def _spliced(outer: list[Corner], at: Corner, hole: list[Corner], start: Corner) -> list[Corner]:
    """`outer` with a channel from its corner `at` to `start` of the hole, round it and back."""
    here, there = outer.index(at), hole.index(start)
    return [*outer[: here + 1], *hole[there:], *hole[: there + 1], *outer[here:]]


def _turns_right(loop: list[Corner]) -> bool:
    row, column = np.array(loop).T
    return bool(np.sum(column * np.roll(row, -1) - np.roll(column, -1) * row) > 0)


def _corners_only(loop: np.ndarray) -> np.ndarray:
    """A loop without the points on its straight parts; there and back along a channel is no straight part."""
    before, after = loop - np.roll(loop, 1, axis=0), np.roll(loop, -1, axis=0) - loop
    straight = np.all(np.sign(before) == np.sign(after), axis=1)
    return loop[~straight]
