"""Contours in world coordinates to a mask: geometry of every kind, and an independent oracle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from nnunetv2_raemd.rasterize.contours import Contour, Rasterized, SliceStack, rasterize

SHAPE = (10, 14)
ROWS, COLUMNS = slice(3, 7), slice(2, 11)
CORNERS = np.array([(2.5, 1.5), (2.5, 10.5), (6.5, 10.5), (6.5, 1.5)])  # round the pixels of ROWS, COLUMNS
OBLIQUE = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0]])  # orthonormal


def make_stack(
    axes: np.ndarray,
    heights_mm: list[float],
    *,
    drift_mm: float = 0.0,
    pixel_mm: tuple[float, float] = (0.7, 1.3),
) -> SliceStack:
    """Slices at heights along the normal of the axes, each `drift_mm` further along the row axis."""
    column_axis, row_axis = axes
    steps = np.outer(heights_mm, np.cross(column_axis, row_axis))
    drift = np.outer(np.arange(len(heights_mm)) * drift_mm, row_axis)
    row_mm, column_mm = pixel_mm
    return SliceStack(
        np.array([-80.0, 33, 12]) + steps + drift, column_axis * column_mm, row_axis * row_mm, SHAPE
    )


def outline(stack: SliceStack, index: int, *, above_mm: float = 0.0) -> Contour:
    """CORNERS in slice `index`, lifted by `above_mm` along the normal."""
    in_plane = CORNERS[:, :1] * stack.row_step_mm + CORNERS[:, 1:] * stack.column_step_mm
    return Contour(stack.positions_mm[index] + in_plane + above_mm * stack.normal)


def only_in(index: int, slices: int) -> np.ndarray:
    mask = np.zeros((slices, *SHAPE), dtype=bool)
    mask[index, ROWS, COLUMNS] = True
    return mask


@pytest.mark.parametrize(
    "axes",
    [
        np.array([[1.0, 0, 0], [0, 1, 0]]),
        np.array([[-1.0, 0, 0], [0, -1, 0]]),
        np.array([[1.0, 0, 0], [0, -1, 0]]),
        np.array([[0.0, 1, 0], [0, 0, -1]]),
        OBLIQUE,
    ],
    ids=["supine", "prone", "flipped", "sagittal", "oblique"],
)
@pytest.mark.parametrize(
    "heights_mm", [[0.0, 2, 4, 6], [6.0, 0, 4, 2], [0.0, 2, 5, 6.5]], ids=["sorted", "shuffled", "uneven"]
)
def test_any_orientation_and_order(axes: np.ndarray, heights_mm: list[float]) -> None:
    stack = make_stack(axes, heights_mm)
    for index in range(4):
        drawn = rasterize([outline(stack, index)], stack)
        assert np.array_equal(drawn.mask, only_in(index, 4)) and not drawn.problems


@pytest.mark.parametrize(("to_the_border", "extent"), [((-3, 0), 4), ((3, 0), 4), ((0, -2), 9), ((0, 3), 9)])
def test_what_crosses_the_border_of_the_image_is_said(to_the_border: tuple[int, int], extent: int) -> None:
    """Rows and columns that move the outline to each border, which it may touch."""
    stack = make_stack(np.eye(3)[:2], [0.0, 2])
    step = np.array([stack.row_step_mm, stack.column_step_mm])
    border, outwards = np.array(to_the_border), np.sign(to_the_border)

    def moved_by(pixels: np.ndarray) -> Rasterized:
        return rasterize([Contour(outline(stack, 1).points_mm + pixels @ step)], stack)

    within, across, beside = (moved_by(border + far * outwards) for far in (0, 0.3, extent + 0.1))
    assert not within.notes and not within.problems and within.mask.any()
    (note,) = across.notes
    assert "the part of it that lies beside the image is cut off" in note and not across.problems
    (problem,) = beside.problems
    assert "it lies beside the image" in problem


@pytest.mark.parametrize(
    ("tilt_mm", "said"),
    [(0.8, "no slice there, it lies beyond the first or last one"), (1.2, "not parallel to the slices")],
)
def test_half_a_slice_distance_from_end_to_end_is_parallel_still(tilt_mm: float, said: str) -> None:
    stack = make_stack(np.eye(3)[:2], [0.0, 2, 4, 6])
    lifted = outline(stack, 3, above_mm=10).points_mm
    lifted[:2] += tilt_mm * stack.normal
    (problem,) = rasterize([Contour(lifted)], stack).problems
    assert said in problem


def test_tilted_gantry_uses_each_slices_own_position() -> None:
    stack = make_stack(np.eye(3)[:2], [0.0, 2, 4, 6], drift_mm=1.1)
    assert np.array_equal(rasterize([outline(stack, 3)], stack).mask, only_in(3, 4))
    shifted = Contour(outline(stack, 3).points_mm - [0, 2.1, 0])  # three rows of 0.7 mm
    assert np.array_equal(rasterize([shifted], stack).mask, np.roll(only_in(3, 4), -3, axis=1))


@pytest.mark.parametrize(("above_mm", "expected"), [(0.9, 1), (1.0, 1), (1.1, 2), (-0.9, 1), (-1.0, 0)])
def test_off_grid_contour_goes_to_the_nearest_slice_and_midway_to_the_lower(
    above_mm: float, expected: int
) -> None:
    stack = make_stack(OBLIQUE, [0.0, 2, 4, 6])
    assert np.array_equal(rasterize([outline(stack, 1, above_mm=above_mm)], stack).mask, only_in(expected, 4))


@pytest.mark.parametrize(
    ("index", "above_mm"), [(0, -1.1), (3, 1.1), (1, 2.0)], ids=["below", "above", "in a gap"]
)
def test_contour_beyond_half_a_slice_distance_is_refused(index: int, above_mm: float) -> None:
    """The gap is a missing slice: 4 mm between slices that are usually 2 mm apart."""
    stack = make_stack(OBLIQUE, [0.0, 2, 6, 8])
    drawn = rasterize([outline(stack, index, above_mm=above_mm), outline(stack, 2)], stack)
    assert np.array_equal(drawn.mask, only_in(2, 4))
    assert len(drawn.problems) == 1 and "no slice" in drawn.problems[0]


def test_contour_across_the_slices_is_refused() -> None:
    stack = make_stack(OBLIQUE, [0.0, 2, 4, 6])
    slanted = Contour(outline(stack, 1).points_mm + np.outer([0, 0, 3, 3], stack.normal))
    drawn = rasterize([slanted], stack)
    assert not drawn.mask.any() and drawn.problems


@pytest.mark.parametrize("points", [0, 1, 2])
def test_contour_of_fewer_than_three_points_is_logged(points: int) -> None:
    stack = make_stack(OBLIQUE, [0.0, 2, 4, 6])
    drawn = rasterize([Contour(outline(stack, 1).points_mm[:points], "GTV-1, contour 7")], stack)
    assert not drawn.mask.any() and drawn.problems == [f"GTV-1, contour 7: only {points} points"]


def test_points_that_are_repeated_count_once() -> None:
    stack = make_stack(OBLIQUE, [0.0, 2, 4, 6])
    twice = np.repeat(outline(stack, 1).points_mm[:2], 2, axis=0)
    drawn = rasterize([Contour(twice, "GTV-1, contour 7")], stack)
    assert not drawn.mask.any() and drawn.problems == ["GTV-1, contour 7: only 4 points"]


def test_contour_that_is_not_finite_is_logged() -> None:
    stack = make_stack(OBLIQUE, [0.0, 2, 4, 6])
    points = outline(stack, 1).points_mm.copy()
    points[2, 1] = np.nan
    drawn = rasterize([Contour(points)], stack)
    assert not drawn.mask.any() and "not finite" in drawn.problems[0]


def test_contour_leaving_the_volume_is_cut_at_the_border() -> None:
    stack = make_stack(OBLIQUE, [0.0, 2, 4, 6])
    moved = Contour(outline(stack, 1).points_mm + 8 * stack.column_step_mm - 5 * stack.row_step_mm)
    expected = np.zeros((4, *SHAPE), dtype=bool)
    expected[1, 0:2, 10:14] = True
    assert np.array_equal(rasterize([moved], stack).mask, expected)


def test_explicitly_closed_and_repeated_points_change_nothing() -> None:
    stack = make_stack(OBLIQUE, [0.0, 2, 4, 6])
    points = outline(stack, 2).points_mm
    closed = Contour(np.concatenate([points[:1], points, points[:1]]))
    assert np.array_equal(rasterize([closed], stack).mask, only_in(2, 4))


def test_contour_drawn_twice_counts_once_but_cancels_under_exclusive_or() -> None:
    stack = make_stack(OBLIQUE, [0.0, 2, 4, 6])
    twice = [outline(stack, 2), outline(stack, 2)]
    assert np.array_equal(rasterize(twice, stack).mask, only_in(2, 4))
    assert not rasterize(twice, stack, exclusive=True).mask.any()


def test_ibsi_phantom_agrees_with_its_published_mask_in_every_voxel(real_data: Path) -> None:
    """The Image Biomarker Standardisation Initiative publishes one case as RTSTRUCT and as mask."""
    folder = real_data / "ibsi" / "ibsi_1_ct_radiomics_phantom"
    images = [pydicom.dcmread(f, stop_before_pixels=True) for f in (folder / "dicom/image").glob("*.dcm")]
    images.sort(key=lambda image: float(image.ImagePositionPatient[2]))
    row_mm, column_mm = (float(x) for x in images[0].PixelSpacing)
    orientation = np.array(images[0].ImageOrientationPatient, dtype=float)
    stack = SliceStack(
        np.array([image.ImagePositionPatient for image in images], dtype=float),
        orientation[:3] * column_mm,
        orientation[3:] * row_mm,
        (images[0].Rows, images[0].Columns),
    )
    structure_set = pydicom.dcmread(next((folder / "dicom/mask").glob("*.dcm")))
    contours = [
        Contour(np.reshape(contour.ContourData, (-1, 3)).astype(float))
        for contour in structure_set.ROIContourSequence[0].ContourSequence
    ]
    published = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "nifti/mask/mask.nii.gz"))) > 0
    assert published.sum() == 125_256
    assert np.count_nonzero(rasterize(contours, stack).mask != published) == 0
