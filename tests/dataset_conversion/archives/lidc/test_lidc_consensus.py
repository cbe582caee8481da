"""Which annotations are of one nodule, which of one reader, and what the readers agree on."""

from __future__ import annotations

import numpy as np
import pytest
from lidc_files import block

from nnunetv2_raemd.dataset_conversion.archives.lidc.consensus import Nodule, Reading, find_nodules
from nnunetv2_raemd.dataset_conversion.archives.lidc.reader_masks import AxialGrid, draw_annotation
from nnunetv2_raemd.volumes.balls import Ball

GRID = AxialGrid((60, 40, 5), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def reading(name: str, columns: tuple[int, int], rows: tuple[int, int] = (10, 19)) -> Reading:
    annotation = block(name, [2.0], (rows, columns))
    return Reading(name, draw_annotation(annotation, GRID)[0], GRID)


def nodules(*readings: Reading, balls: tuple[Ball, ...] = ()) -> list[Nodule]:
    return find_nodules(readings, balls)


def shape(found: list[Nodule]) -> list[tuple[int, int]]:
    """Annotations and readers of each nodule."""
    return sorted((len(n.readings), n.number_of_readers) for n in found)


def columns_of(nodule: Nodule, share: float) -> list[int]:
    agreed = nodule.consensus(share)
    return (np.flatnonzero(agreed.inside.any(axis=(0, 1))) + agreed.start[2]).tolist()


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.0, range(10, 24)),  # any reader
        (0.25, range(10, 24)),
        (0.5, range(11, 22)),  # two of four
        (0.51, range(12, 21)),  # three
        (0.75, range(12, 21)),
        (1.0, range(13, 20)),
    ],
)
def test_voxels_of_enough_of_four_readers(share: float, expected: range) -> None:
    readings = [reading(f"{k}_", c) for k, c in enumerate([(10, 19), (11, 20), (12, 21), (13, 23)])]
    (nodule,) = nodules(*readings)
    assert nodule.number_of_readers == 4
    assert columns_of(nodule, share) == list(expected)


def test_half_of_three_readers_is_two() -> None:
    (nodule,) = nodules(*(reading(f"{k}_", c) for k, c in enumerate([(10, 19), (11, 20), (15, 25)])))
    assert columns_of(nodule, 0.5) == list(range(11, 21))


def test_annotations_that_share_no_voxel_are_of_different_nodules() -> None:
    """Side by side is not the same place."""
    assert shape(nodules(reading("a_1", (10, 19)), reading("b_1", (20, 29)))) == [(1, 1), (1, 1)]
    assert shape(nodules(reading("a_1", (10, 19)), reading("b_1", (19, 29)))) == [(2, 2)]


def test_annotations_are_joined_through_others() -> None:
    chain = [reading("a_1", (10, 19)), reading("b_1", (18, 29)), reading("c_1", (28, 35))]
    assert shape(nodules(*chain)) == [(3, 3)]


def test_parts_that_one_reader_drew_count_once() -> None:
    """LUNA16's series ...355115: one reader in one part, another in two. It is no nodule of three readers."""
    parts = [
        reading("Nodule 002", (10, 29)),
        reading("IL057_130537", (10, 17)),
        reading("IL057_130535", (20, 29)),
    ]
    (nodule,) = nodules(*parts)
    assert len(nodule.readings) == 3 and nodule.number_of_readers == 2
    assert columns_of(nodule, 1.0) == [*range(10, 18), *range(20, 30)]


def test_parts_by_different_readers_are_told_by_the_names() -> None:
    """LUNA16's series ...850679: two readers marked neighbouring places, a third both. It is one of three."""
    parts = [
        reading("Nodule 003", (10, 17)),
        reading("IL057_160089", (20, 29)),
        reading("MI014_20000", (10, 29)),
    ]
    assert shape(nodules(*parts)) == [(3, 3)]


def test_nodules_of_the_same_reader_elsewhere_change_nothing() -> None:
    far = [reading(f"{k}", (40, 45)) for k in (1, 3)]
    near = [reading(f"{k}", (10, 19)) for k in (2, 4)]
    assert shape(nodules(near[0], far[0], near[1], far[1])) == [(2, 2), (2, 2)]


BETWEEN = (10, 34)  # a reader's one contour round both
LEFT, RIGHT = (10, 19), (25, 34)
BALLS = (Ball((14.5, 14.5, 2.0), 11.0), Ball((29.5, 14.5, 2.0), 11.0))
NEIGHBOURS = [
    *(reading(f"{k}", side) for k in (1, 2, 3) for side in (LEFT, RIGHT)),
    reading("4", BETWEEN),
    reading("5", LEFT),
]


def test_two_nodules_that_a_reader_drew_as_one_are_taken_apart_by_the_table() -> None:
    """Eight annotations of which seven are of either: the one of both goes to one of the two."""
    assert shape(nodules(*NEIGHBOURS)) == [(8, 5)]
    left, right = sorted(nodules(*NEIGHBOURS, balls=BALLS), key=lambda n: n.readings[0].ball.centre_mm)
    assert (left.number_of_readers, right.number_of_readers) == (5, 3)
    assert columns_of(left, 0.5) == list(range(10, 20)) and columns_of(right, 0.5) == list(range(25, 35))


def test_what_the_table_does_not_know_becomes_a_cluster_of_its_own() -> None:
    left, right = sorted(nodules(*NEIGHBOURS, balls=BALLS[:1]), key=lambda n: len(n.readings), reverse=True)
    assert {r.nodule_id for r in left.readings} == {"1", "2", "3", "4", "5"}
    assert len(right.readings) == 3 and columns_of(right, 1.0) == list(range(25, 35))


def test_cluster_of_four_is_never_taken_apart() -> None:
    four = [reading("1", LEFT), reading("2", RIGHT), reading("3", BETWEEN), reading("4", BETWEEN)]
    assert [len(n.readings) for n in nodules(*four, balls=BALLS)] == [4]


def test_scan_without_annotations_has_no_nodules() -> None:
    assert nodules() == []


def test_ball_of_a_reading_is_its_centre_and_volume() -> None:
    block_of_100 = reading("1", (10, 19))
    assert block_of_100.ball.centre_mm == pytest.approx((14.5, 14.5, 2.0))
    assert np.pi / 6 * block_of_100.ball.diameter_mm**3 == pytest.approx(100)


@pytest.mark.parametrize(("ratio", "expected"), [(1.15, [(5, 5)]), (1.54, [(1, 1), (4, 4)])])
def test_annotation_at_the_edge_of_what_a_nodule_reaches(
    ratio: float, expected: list[tuple[int, int]]
) -> None:
    """Centres 10 mm apart; the ball is as large as makes that so many times the sum of both radii."""
    beside = reading("5", (19, 30))
    diameter = 2 * (10 / ratio - beside.ball.diameter_mm / 2)
    cluster = [*(reading(str(k), LEFT) for k in (1, 2, 3, 4)), beside]
    assert shape(nodules(*cluster, balls=(Ball((14.5, 14.5, 2.0), diameter),))) == expected


@pytest.mark.parametrize("turned", [False, True])
def test_annotation_that_two_nodules_reach_goes_to_the_nearer(turned: bool) -> None:
    balls = (Ball((14.5, 14.5, 2.0), 20.0), Ball((31.5, 14.5, 2.0), 20.0))
    between = reading("5", (19, 30))  # 10 mm from the one, 7 from the other
    cluster = [*(reading(str(k), LEFT) for k in (1, 2, 3, 4)), between, reading("6", (30, 36))]
    found = nodules(*cluster, balls=balls[::-1] if turned else balls)
    assert sorted({r.nodule_id for r in nodule.readings} == {"5", "6"} for nodule in found) == [False, True]


def test_the_ball_of_a_single_reader_has_the_centre_and_volume_of_what_was_marked() -> None:
    (nodule,) = nodules(reading("a_1", (10, 19), (20, 29)))
    (ball,) = nodule.reader_balls()
    assert ball.centre_mm == pytest.approx((14.5, 24.5, 2.0))
    assert np.pi / 6 * ball.diameter_mm**3 == pytest.approx(10 * 10 * 1)  # voxels of 1 mm^3 in one slice
