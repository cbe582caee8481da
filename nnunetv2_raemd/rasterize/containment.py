"""Whether one polygon lies within another, in time and memory n log n of their points. Numpy only.

Only what is at the same height can touch: edges are sorted into strips, and pairs are looked at strip by
strip. Both polygons are turned first, so that edges along rows, which fill a single strip, are none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Two outlines closer than this are the same line: far above rounding, far below what a reader can draw.
SAME_LINE_PIXELS = 1e-4
_TURN_RADIANS = 0.6180339887
_PAIRS_AT_ONCE = 200_000
# Outlines that run along each other many times over, which no reader draws, would have n * n pairs.
_MOST_PAIRS = 20_000_000


class IntricateOutlinesError(Exception):
    """The outlines meet too often to look at every place."""


def contains(outer: np.ndarray, inner: np.ndarray) -> bool:
    """Whether `inner` lies within `outer`, both (N, 2); the outlines may touch.

    Raises `IntricateOutlinesError` for outlines of many edges that run alongside each other over and over.
    """
    if np.any(inner.min(axis=0) < outer.min(axis=0) - SAME_LINE_PIXELS):
        return False
    if np.any(inner.max(axis=0) > outer.max(axis=0) + SAME_LINE_PIXELS):
        return False
    outside, inside = _Edges(_turned(outer)), _Edges(_turned(inner))
    strips = _Strips.for_edges(outside, inside)
    return _all_within(outside, inside, strips) and not _cross(outside, inside, strips)


def _turned(polygon: np.ndarray) -> np.ndarray:
    sine, cosine = np.sin(_TURN_RADIANS), np.cos(_TURN_RADIANS)
    return polygon @ np.array([[cosine, -sine], [sine, cosine]])


@dataclass(frozen=True)
class _Edges:
    """The edges of a polygon, from each of its points to the next."""

    start: np.ndarray

    @cached_property
    def end(self) -> np.ndarray:
        return np.roll(self.start, -1, axis=0)

    @cached_property
    def low(self) -> np.ndarray:
        return np.minimum(self.start[:, 0], self.end[:, 0]) - SAME_LINE_PIXELS

    @cached_property
    def high(self) -> np.ndarray:
        return np.maximum(self.start[:, 0], self.end[:, 0]) + SAME_LINE_PIXELS


@dataclass(frozen=True)
class _Strips:
    """Strips of one height, as high as the edges are on average."""

    lowest: float
    height: float

    @classmethod
    def for_edges(cls, outer: _Edges, inner: _Edges) -> _Strips:
        mean = max(float((edges.high - edges.low).mean()) for edges in (outer, inner))
        return cls(float(outer.low.min()), mean)

    def pairs(
        self, low: np.ndarray, high: np.ndarray, others: _Edges
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Indices of the things from `low` to `high` and of the edges that share a strip, some at a time.

        A pair comes once for each strip that it shares.
        """
        thing, strip = self._entries(low, high)
        edge, strip_of_edge = self._entries(others.low, others.high)
        edge = edge[np.argsort(strip_of_edge, kind="stable")]
        strip_of_edge.sort()
        first = np.searchsorted(strip_of_edge, strip, "left")
        number = np.searchsorted(strip_of_edge, strip, "right") - first
        total = np.cumsum(number)
        if len(total) and total[-1] > _MOST_PAIRS:
            raise IntricateOutlinesError
        begin = 0
        while begin < len(thing):
            before = total[begin] - number[begin]
            end = max(int(np.searchsorted(total, before + _PAIRS_AT_ONCE, "right")), begin + 1)
            which, offset = _spread(number[begin:end])
            yield thing[begin:end][which], edge[first[begin:end][which] + offset]
            begin = end

    def _entries(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Index and strip of everything from `low` to `high`, once for each strip that it lies in."""
        first = np.floor((low - self.lowest) / self.height).astype(np.int64)
        last = np.floor((high - self.lowest) / self.height).astype(np.int64)
        index, offset = _spread(last - first + 1)
        return index, first[index] + offset


def _spread(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each position as many entries as its number says: the position, and 0, 1, 2 ... within it."""
    position = np.repeat(np.arange(len(numbers)), numbers)
    return position, np.arange(len(position)) - np.repeat(np.cumsum(numbers) - numbers, numbers)


def _all_within(outer: _Edges, inner: _Edges, strips: _Strips) -> bool:
    """Whether the points of `inner` are inside `outer` or on its outline.

    The middles of its edges too: an edge between two points on the outline may run outside.
    """
    points = np.concatenate([inner.start, (inner.start + inner.end) / 2])
    crossings, on_outline = np.zeros(len(points), dtype=np.int64), np.zeros(len(points), dtype=bool)
    for point, edge in strips.pairs(points[:, 0], points[:, 0], outer):
        place, start, end = points[point], outer.start[edge], outer.end[edge]
        crossings += np.bincount(point[_is_beside(place, start, end)], minlength=len(points))
        on_outline[point[_is_on(place, start, end)]] = True
    return bool((on_outline | (crossings % 2 == 1)).all())


def _is_beside(place: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whether the ray from each place towards lower columns meets the edge (even-odd rule)."""
    straddles = (start[:, 0] <= place[:, 0]) != (end[:, 0] <= place[:, 0])
    height = np.where(straddles, end[:, 0] - start[:, 0], 1)
    column = start[:, 1] + (place[:, 0] - start[:, 0]) * (end[:, 1] - start[:, 1]) / height
    return straddles & (column <= place[:, 1])


def _is_on(place: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whether each place is within `SAME_LINE_PIXELS` of the edge."""
    along, offset = end - start, place - start
    length2 = np.maximum((along**2).sum(axis=1), np.finfo(float).tiny)
    share = np.clip((offset * along).sum(axis=1) / length2, 0, 1)
    return np.linalg.norm(offset - share[:, None] * along, axis=1) <= SAME_LINE_PIXELS


def _cross(outer: _Edges, inner: _Edges, strips: _Strips) -> bool:
    """Whether an edge of one goes through an edge of the other; touching is not crossing."""
    for mine, theirs in strips.pairs(inner.low, inner.high, outer):
        one = inner.start[mine], inner.end[mine]
        other = outer.start[theirs], outer.end[theirs]
        if np.any(_are_parted(*one, *other) & _are_parted(*other, *one)):
            return True
    return False


def _are_parted(start: np.ndarray, end: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether the line through each edge parts two points, neither of which is on it."""
    return _side(start, end, one) * _side(start, end, other) < 0


def _side(start: np.ndarray, end: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Side of each edge's line that a place is on: -1, 0 or 1."""
    along, offset = end - start, place - start
    length = np.maximum(np.linalg.norm(along, axis=1), np.finfo(float).tiny)
    distance = (along[:, 0] * offset[:, 1] - along[:, 1] * offset[:, 0]) / length
    return np.where(np.abs(distance) <= SAME_LINE_PIXELS, 0, np.sign(distance))
