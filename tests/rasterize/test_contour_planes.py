"""Contours drawn in other planes than the slices: denser, sparser, and several at one slice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnunetv2_raemd.dicom.ct_series import order_series
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.dicom.rtstruct import draw_rois
from nnunetv2_raemd.rasterize.between_planes import _Field
from nnunetv2_raemd.rasterize.contour_planes import ContourPlane, are_sparser
from nnunetv2_raemd.rasterize.contours import Contour, SliceStack, rasterize

PIXEL_MM = 0.9
SHAPE = (84, 88)
# half axes in mm along columns, rows and slices
SHAPES = {
    "ball of 8 mm": (8, 8, 8),
    "ball of 10 mm": (10, 10, 10),
    "ball of 16 mm": (16, 16, 16),
    "ball of 25 mm": (25, 25, 25),
    "long ellipsoid": (12, 9, 22),
    "flat ellipsoid": (24, 17, 11),
}
TILTED = np.array([[1, 0, 0], [0, 0.96, 0.28]])
OBLIQUE = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0]])


def stack_of(heights_mm: np.ndarray, axes: np.ndarray = OBLIQUE) -> SliceStack:
    column_axis, row_axis = axes
    origin = np.array([-80.0, 33, 12]) + np.outer(heights_mm, np.cross(column_axis, row_axis))
    return SliceStack(origin, column_axis * PIXEL_MM, row_axis * PIXEL_MM, SHAPE)


def radius_share(half_mm: float, above_mm: np.ndarray | float) -> np.ndarray:
    """How large an ellipsoid's section is at a height from its centre, as a part of its greatest."""
    return np.sqrt(np.maximum(1 - (np.asarray(above_mm) / half_mm) ** 2, 0))


def ellipsoid(
    axes_mm: tuple[float, ...], centre: tuple[float, float, float], heights: np.ndarray
) -> np.ndarray:
    """The exact answer: voxel centres within, (S, rows, columns); centre is row, column in pixels and mm."""
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    in_plane = ((columns - centre[1]) * PIXEL_MM / axes_mm[0]) ** 2
    in_plane = in_plane + ((rows - centre[0]) * PIXEL_MM / axes_mm[1]) ** 2
    return in_plane <= radius_share(axes_mm[2], heights - centre[2])[:, None, None] ** 2


def contours_of(
    axes_mm: tuple[float, ...], centre: tuple[float, float, float], planes: np.ndarray, stack: SliceStack
) -> list[Contour]:
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    found = []
    for height in planes:
        share = radius_share(axes_mm[2], height - centre[2])
        if share > 0:
            rows = centre[0] + share * axes_mm[1] / PIXEL_MM * np.sin(angle)
            columns = centre[1] + share * axes_mm[0] / PIXEL_MM * np.cos(angle)
            in_plane = np.outer(rows, stack.row_step_mm) + np.outer(columns, stack.column_step_mm)
            found.append(Contour(stack.positions_mm[0] + in_plane + height * stack.normal))
    return found


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * np.count_nonzero(one & other) / (one.sum() + other.sum()))


@pytest.mark.parametrize("planes_mm", [1, 1.5, 2, 2.5])
@pytest.mark.parametrize("axes_mm", SHAPES.values(), ids=SHAPES)
def test_planes_denser_than_slices(axes_mm: tuple[float, ...], planes_mm: float) -> None:
    rng = np.random.default_rng(int(planes_mm * 10))
    heights = np.arange(0, 72, 3.0)
    stack = stack_of(heights, OBLIQUE if planes_mm > 1 else TILTED)
    centre = (40 + rng.random(), 44 + rng.random(), 33 + 3 * rng.random())
    contours = contours_of(axes_mm, centre, np.arange(rng.random() * planes_mm, 70, planes_mm), stack)
    drawn = rasterize(contours, stack)
    assert dice(drawn.mask, ellipsoid(axes_mm, centre, heights)) >= 0.97
    assert not drawn.problems and drawn.drawn == len(contours)
    assert "interpolated between the planes" in drawn.notes[0]


@pytest.mark.parametrize(
    ("planes_mm", "first_mm"), [(3, 0.3), (3, 0.75), (3, 1.5), (3, 2.2), (3.5, 0.7), (4, 1.0), (4.4, 2.1)]
)
@pytest.mark.parametrize("axes_mm", SHAPES.values(), ids=SHAPES)
def test_planes_between_slices(axes_mm: tuple[float, ...], planes_mm: float, first_mm: float) -> None:
    """Drawn on another reconstruction, whose slices are as far apart or a little farther."""
    heights = np.arange(0, 72, 3.0)
    stack = stack_of(heights)
    centre = (40.3, 44.6, 34.1)
    contours = contours_of(axes_mm, centre, np.arange(first_mm, 70, planes_mm), stack)
    drawn = rasterize(contours, stack)
    assert dice(drawn.mask, ellipsoid(axes_mm, centre, heights)) >= 0.97
    assert not drawn.problems and drawn.drawn == len(contours)
    assert "interpolated" in drawn.notes[0]


def test_too_few_planes_between_slices_are_drawn_in_the_nearest_and_told() -> None:
    stack = stack_of(np.arange(0, 60, 3.0))
    drawn = rasterize(contours_of((9, 9, 1e6), (40, 40, 0), np.array([10.0, 13.0]), stack), stack)
    assert np.flatnonzero(drawn.mask.any(axis=(1, 2))).tolist() == [3, 4]
    assert drawn.notes == ["contours lie between slices (median 1 mm off): drawn in the nearest"]


def test_contours_that_were_rounded_lie_on_their_slices() -> None:
    """To a tenth of a millimetre, on thin slices."""
    heights = np.arange(0, 40) * 0.625
    stack = stack_of(heights)
    rounded = np.round(heights[10:30], 1)
    drawn = rasterize(contours_of((13, 11, 9), (40.3, 44.1, 12.0), rounded, stack), stack)
    alone = rasterize(contours_of((13, 11, 9), (40.3, 44.1, 12.0), heights[10:30], stack), stack)
    assert not drawn.notes and dice(drawn.mask, alone.mask) > 0.99


@pytest.mark.parametrize("slices_mm", [1.0, 1.25, 2.0])
@pytest.mark.parametrize("axes_mm", SHAPES.values(), ids=SHAPES)
def test_planes_sparser_than_slices_are_told_or_bridged(axes_mm: tuple[float, ...], slices_mm: float) -> None:
    rng = np.random.default_rng(5)
    heights = np.arange(0, 72, slices_mm)
    stack = stack_of(heights)
    centre = (40 + rng.random(), 44 + rng.random(), 33 + 3 * rng.random())
    truth = ellipsoid(axes_mm, centre, heights)
    contours = contours_of(axes_mm, centre, np.arange(rng.random() * 5, 70, 5.0), stack)
    assert rasterize(contours, stack).sparse
    drawn = rasterize(contours, stack, bridge=True)
    assert dice(drawn.mask, truth) >= 0.97 and not drawn.sparse
    assert "slices between are interpolated" in drawn.notes[0]


def test_planes_on_slices_are_drawn_as_they_are() -> None:
    """At a plane nothing is interpolated, whatever lies between."""
    heights = np.arange(0, 60, 3.0)
    stack = stack_of(heights)
    centre, axes_mm = (40.3, 44.1, 30.0), (13, 17, 16)
    dense = rasterize(contours_of(axes_mm, centre, np.arange(0, 60, 1.0), stack), stack)
    alone = rasterize(contours_of(axes_mm, centre, heights, stack), stack)
    assert np.array_equal(dense.mask, alone.mask) and not alone.notes


def test_cylinder_keeps_its_length() -> None:
    """And what is drawn beside it, in planes of its own, begins and ends by itself."""
    heights = np.arange(0, 60, 3.0)
    stack = stack_of(heights)
    planes = np.arange(10.5, 41, 1.5)
    long = contours_of((9, 9, 1e6), (30.3, 30.2, 25), planes, stack)
    short = contours_of((7, 7, 1e6), (30.3, 60.2, 25), planes[5:12], stack)
    drawn = rasterize([*long, *short], stack)
    alone = ellipsoid((9, 9, 1e6), (30.3, 30.2, 25), heights)
    beside = ellipsoid((7, 7, 1e6), (30.3, 60.2, 25), heights)
    alone &= ((heights >= planes[0]) & (heights <= planes[-1]))[:, None, None]
    beside &= ((heights >= planes[5]) & (heights <= planes[11]))[:, None, None]
    assert np.array_equal(drawn.mask, alone | beside)


def test_smaller_contour_of_another_plane_is_no_hole() -> None:
    """Drawn a little beside the slice; a hole of the same plane stays one."""
    stack = stack_of(np.arange(0, 30, 3.0))
    large, small = (
        contours_of((r, r, 1e6), (40, 40, 0), np.array([h]), stack) for r, h in ((15, 9), (8, 9.8))
    )
    hole = contours_of((8, 8, 1e6), (40, 40, 0), np.array([9.0]), stack)
    whole = rasterize(large, stack).mask
    drawn = rasterize([*large, *small], stack)
    assert np.array_equal(drawn.mask, whole) and "at several heights" in drawn.notes[0]
    assert rasterize([*large, *hole], stack).mask.sum() < 0.8 * whole.sum()


def test_of_several_planes_the_nearest_counts_and_what_it_does_not_touch_stays() -> None:
    stack = stack_of(np.arange(0, 30, 3.0))
    near, far = (
        contours_of((r, r, 1e6), (40, 30, 0), np.array([h]), stack) for r, h in ((8, 9.3), (15, 10.2))
    )
    other = contours_of((6, 6, 1e6), (40, 65, 0), np.array([10.2]), stack)
    drawn = rasterize([*far, *other, *near], stack)
    assert np.array_equal(drawn.mask, rasterize([*near, *other], stack).mask)
    assert np.array_equal(drawn.mask[3], (rasterize(near, stack).mask | rasterize(other, stack).mask)[3])


def test_planes_denser_than_slices_reach_the_border_of_the_image() -> None:
    stack = stack_of(np.arange(0, 30, 3.0))
    drawn = rasterize(contours_of((9, 9, 1e6), (3, 3, 0), np.arange(5, 20, 1.0), stack), stack)
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    corner = ((rows - 3) ** 2 + (columns - 3) ** 2) * PIXEL_MM**2 <= 81
    assert corner[0, 0] and dice(drawn.mask[3], corner) > 0.97 and drawn.mask[3, 0, 0]


def test_a_plane_close_to_a_slice_is_drawn_there_as_it_is() -> None:
    """A twentieth of the slice distance counts as none, however different the planes beside it are."""
    stack = stack_of(np.arange(0, 30, 3.0))
    radii = {5.56: 4.0, 5.86: 12.0, 6.16: 4.0}
    contours = [
        contour
        for height, radius in radii.items()
        for contour in contours_of((radius, radius, 1e6), (40, 40, 0), np.array([height]), stack)
    ]
    alone = rasterize(contours[1:2], stack)
    drawn = rasterize(contours, stack)
    assert "interpolated between the planes" in drawn.notes[0] and alone.mask[2].any()
    assert np.array_equal(drawn.mask[2], alone.mask[2])


def test_skipped_slice_is_told() -> None:
    stack = stack_of(np.arange(0, 60, 3.0))
    contours = contours_of((9, 9, 1e6), (40, 40, 0), np.array([9.0, 12, 15, 21, 24, 27]), stack)
    drawn = rasterize(contours, stack)
    assert drawn.notes == ["1 slices between contours have none and stay empty"] and not drawn.sparse
    assert not drawn.mask[6].any() and drawn.mask[5].any()


def test_lesions_one_far_above_the_other_are_not_sparse() -> None:
    stack = stack_of(np.arange(0, 90, 3.0))
    contours = contours_of((9, 9, 1e6), (40, 40, 0), np.array([9.0, 60.0]), stack)
    drawn = rasterize(contours, stack)
    assert not drawn.notes and not drawn.sparse


def test_contour_that_leaves_the_image_is_told() -> None:
    stack = stack_of(np.arange(0, 30, 3.0))
    drawn = rasterize(contours_of((9, 9, 1e6), (3, 40, 0), np.array([9.0]), stack), stack)
    assert "part of it that lies beside the image is cut off" in drawn.notes[0] and drawn.mask[3].any()


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        ("contour-outside-image", "it lies beside the image"),
        ("contour-without-a-voxel", "it encloses no voxel centre"),
    ],
)
def test_public_cases_say_what_is_left_out(real_data: Path, case: str, problem: str) -> None:
    index = index_folder(real_data / "public-cases" / case / "input")
    series = order_series(next(iter(index.ct.values())))
    (structure_set,) = index.delineations
    drawn = draw_rois(structure_set.path, structure_set.rois, series.upright)
    assert [text.split(": ")[1] for text in drawn.problems] == [problem]


def test_public_case_of_contours_finer_than_slices(real_data: Path) -> None:
    """A ball of planes 1 mm apart on slices 3 mm apart: 89 voxels in each of its end slices."""
    index = index_folder(real_data / "public-cases" / "contours-finer-than-slices" / "input")
    series = order_series(next(iter(index.ct.values())))
    (structure_set,) = index.delineations
    drawn = draw_rois(structure_set.path, structure_set.rois, series.upright)
    counts = drawn.mask.sum(axis=(1, 2))
    assert counts[counts > 0][[0, -1]].tolist() == [89, 89]


@pytest.mark.parametrize(
    ("heights_mm", "sparser"),
    [
        ((0, 5), False),  # 2.5 times the distance of slices: one slice between two contours may be skipped
        ((0, 5.01), True),
        ((0, 3, 6), False),  # 1.5 times: of more contours than two, the usual distance counts
        ((0, 3.01, 6.02), True),
        ((0, 2, 4, 10), False),  # one gap is not the rule
        ((0, 15, 30), True),
        ((0, 15.1, 30.2), False),  # so far apart, they are different lesions
        ((7,), False),
    ],
)
def test_contours_are_sparser_than_slices_of_2_mm(heights_mm: tuple[float, ...], sparser: bool) -> None:
    square = np.array([(2.0, 2), (2, 9), (9, 9), (9, 2)])
    planes = [ContourPlane(float(height), index, [square]) for index, height in enumerate(heights_mm)]
    assert are_sparser(planes, 2.0) == sparser
    apart = [ContourPlane(float(h), i, [square + 20 * i]) for i, h in enumerate(heights_mm)]
    assert not are_sparser(apart, 2.0), "contours beside each other say nothing"


def test_the_greatest_value_of_a_field_is_that_of_the_part_that_is_there_or_nearest() -> None:
    """F = d (2 r - d) is r^2 where the distance d from the outline is greatest, r by definition."""
    rows, columns = np.ogrid[:40, :80]
    small = (rows - 20) ** 2 + (columns - 15) ** 2 <= 6**2
    large = (rows - 20) ** 2 + (columns - 55) ** 2 <= 14**2
    field = _Field(small | large, (0.9, 0.9))
    for part, radius in ((small, 6), (large, 14)):
        (greatest,) = np.unique(field.greatest[part])
        assert greatest == pytest.approx(field.values[part].max())
        assert greatest == pytest.approx((radius * 0.9) ** 2, rel=0.2)
    assert field.greatest[0, 0] == field.greatest[20, 15] and field.greatest[0, 79] == field.greatest[20, 55]
