"""The rasterizer against exact arithmetic on polygons that hypothesis makes up."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from exact_polygons import doubled_area, exact_mask, parity, union
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nnunetv2_raemd.rasterize.contours import Contour, SliceStack, rasterize
from nnunetv2_raemd.rasterize.polygons import combine_contours, fill_polygon

SHAPE = (9, 11)
quick = settings(derandomize=True, deadline=None, max_examples=60, database=None)


def on_grid(low: int, high: int, steps: int = 8) -> st.SearchStrategy[float]:
    """Multiples of 1/steps: on pixel centres, on their edges, and between."""
    return st.integers(low * steps, high * steps).map(lambda n: n / steps)


@st.composite
def any_polygon(draw: st.DrawFn) -> list[tuple[float, float]]:
    """Corners anywhere, also outside the image; it may touch, cross and repeat itself."""
    steps = draw(st.sampled_from([1, 2, 8, 64]))
    corner = st.tuples(on_grid(-3, 12, steps), on_grid(-3, 14, steps))
    corners = draw(st.lists(corner, min_size=3, max_size=9))
    return draw(st.sampled_from([corners, corners + corners[-2:0:-1] + corners[:1]]))  # there and back


@st.composite
def star(draw: st.DrawFn, largest: float = 3.5) -> np.ndarray:
    """Corners by angle round (4, 5), so that it does not cross itself; on a grid of 2^-10 pixels."""
    radii = draw(st.lists(st.floats(0.8, largest), min_size=5, max_size=12))
    angle = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    return np.round(np.stack([np.sin(angle), np.cos(angle)], axis=1) * np.array(radii)[:, None] * 1024) / 1024


def points(polygon: np.ndarray) -> list[tuple[float, float]]:
    return [(float(r), float(c)) for r, c in polygon]


@quick
@given(any_polygon())
def test_filling_is_the_even_odd_rule(polygon: list[tuple[float, float]]) -> None:
    assert np.array_equal(fill_polygon(np.array(polygon), SHAPE), exact_mask(polygon, SHAPE))


@quick
@given(any_polygon(), st.integers(0, 8), st.booleans())
def test_start_and_direction_of_the_outline_do_not_matter(
    polygon: list[tuple[float, float]], start: int, backwards: bool
) -> None:
    turned = np.roll(np.array(polygon), start, axis=0)[:: -1 if backwards else 1]
    assert np.array_equal(fill_polygon(turned, SHAPE), fill_polygon(np.array(polygon), SHAPE))


@quick
@given(any_polygon(), st.integers(-4, 4), st.integers(-4, 4))
def test_shift_by_whole_pixels_shifts_the_mask(
    polygon: list[tuple[float, float]], down: int, right: int
) -> None:
    large = (30, 30)
    here = fill_polygon(np.array(polygon) + 10, large)
    there = fill_polygon(np.array(polygon) + 10 + [down, right], large)
    assert np.array_equal(there, np.roll(here, (down, right), axis=(0, 1)))


@quick
@given(any_polygon(), st.integers(0, 7), st.integers(0, 7))
def test_polygon_cut_in_two_has_each_pixel_once(
    polygon: list[tuple[float, float]], one: int, other: int
) -> None:
    """By a chord between two corners: the parts cover what the whole does, no pixel in both or in neither."""
    first, last = sorted((one % len(polygon), other % len(polygon)))
    corners = np.array(polygon)
    part, rest = corners[first : last + 1], np.concatenate([corners[last:], corners[: first + 1]])
    assert np.array_equal(fill_polygon(part, SHAPE) ^ fill_polygon(rest, SHAPE), fill_polygon(corners, SHAPE))


@quick
@given(star())
def test_pixels_count_up_to_the_area(polygon: np.ndarray) -> None:
    """Finer and finer pixels: the count differs from the area by no more than pixels on the outline."""
    area = float(doubled_area(points(polygon))) / 2
    length = float(sum(np.linalg.norm(b - a) for a, b in pairwise([*polygon, polygon[0]])))
    for scale in (4, 16, 64):
        count = int(fill_polygon((polygon + 4) * scale, (8 * scale, 8 * scale)).sum())
        assert abs(count / scale**2 - area) <= 1.5 * length / scale + 4 / scale**2


@quick
@given(star(), st.lists(st.sampled_from([0.25, 0.5, 0.75]), unique=True, max_size=3), st.randoms())
def test_nested_outlines_alternate_in_any_order(
    polygon: np.ndarray, inner: list[float], random: object
) -> None:
    """Ring, island in the hole, hole in the island."""
    nested = [polygon * scale + [4, 5] for scale in (1.0, *inner)]
    random.shuffle(nested)  # type: ignore[attr-defined]
    truth = parity(map(points, nested), SHAPE)
    assert np.array_equal(combine_contours(nested, SHAPE), truth)
    assert np.array_equal(combine_contours([*nested, nested[0][::-1]], SHAPE), truth)  # one drawn twice


@quick
@given(star(2.5), star(2.5), st.tuples(on_grid(1, 3), on_grid(1, 3)))
def test_overlapping_or_separate_outlines_unite(
    one: np.ndarray, other: np.ndarray, offset: tuple[float, float]
) -> None:
    """Centres are apart, so that neither lies within the other unless it is much smaller."""
    pair = [one + 3.0, other + 4.5 + np.array(offset)]
    assume(all(_sticks_out(a, b) for a, b in (pair, pair[::-1])))
    assert np.array_equal(combine_contours(pair, SHAPE), union(map(points, pair), SHAPE))


def _sticks_out(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether a corner of `one` is outside `other`, well clear of its outline."""
    fine = [(float(r) * 32, float(c) * 32) for r, c in other]
    corners = np.rint(one * 32).astype(int)
    around = [(r + dr, c + dc) for r, c in corners for dr in (-1, 0, 1) for dc in (-1, 0, 1)]
    window = fill_polygon(np.array(fine) + 64, (12 * 32, 12 * 32))
    held = np.array([window[r + 64, c + 64] for r, c in around]).reshape(-1, 9)
    return bool((~held.any(axis=1)).any())


unit = st.floats(-1, 1)


@quick
@given(
    any_polygon(),
    st.tuples(unit, unit, unit, unit).filter(lambda q: sum(x * x for x in q) > 0.1),
    st.tuples(st.floats(0.3, 4), st.floats(0.3, 4), st.floats(0.5, 6)),
    st.tuples(*[st.floats(-500, 500)] * 3),
    st.integers(0, 3),
)
def test_any_placement_in_space_gives_the_same_pixels(
    polygon: list[tuple[float, float]],
    quaternion: tuple[float, ...],
    spacing: tuple[float, float, float],
    origin: tuple[float, ...],
    index: int,
) -> None:
    """Any rotation, position and spacing: millimetres are turned back into the very pixel coordinates."""
    column_axis, row_axis, normal = _rotation(quaternion)
    row_mm, column_mm, slice_mm = spacing
    positions = np.array(origin) + np.outer(np.arange(4) * slice_mm, normal)
    stack = SliceStack(positions, column_axis * column_mm, row_axis * row_mm, SHAPE)
    corners = np.array(polygon)
    world = positions[index] + corners[:, :1] * stack.row_step_mm + corners[:, 1:] * stack.column_step_mm
    drawn = rasterize([Contour(world)], stack)
    expected = np.zeros((4, *SHAPE), dtype=bool)
    if not drawn.ignored:
        expected[index] = exact_mask(polygon, SHAPE)
    else:
        assert len(set(polygon)) < 3 or exact_mask(polygon, SHAPE).sum() == 0
    assert np.array_equal(drawn.mask, expected) and not drawn.lost and not drawn.in_gaps


def _rotation(quaternion: tuple[float, ...]) -> np.ndarray:
    w, x, y, z = np.array(quaternion) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)],
            [2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)],
            [2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def test_the_exact_answer_is_right_on_cases_done_by_hand() -> None:
    box = [(1.0, 2.0), (1.0, 5.0), (3.0, 5.0), (3.0, 2.0)]
    assert np.argwhere(exact_mask(box, SHAPE)).tolist() == [[r, c] for r in (1, 2) for c in (2, 3, 4)]
    assert doubled_area(box) == 12
    bow = [(0.0, 0.0), (4.0, 4.0), (4.0, 0.0), (0.0, 4.0)]  # crosses itself at (2, 2)
    assert exact_mask(bow, SHAPE)[1, 2] and exact_mask(bow, SHAPE)[3, 2] and not exact_mask(bow, SHAPE)[2, 0]
