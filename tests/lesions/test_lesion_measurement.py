"""Measures of lesions against formulas, SimpleITK and outlines by scikit-image."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_shapes import (
    AXIAL,
    FLIPPED,
    SAGITTAL,
    TILTED,
    ball,
    draw,
    ellipsoid,
    grid,
    middle_mm,
    places,
    rod,
    turned_in_plane,
)
from skimage.measure import find_contours

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.lesions.axial_axes import axial_axes
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion
from nnunetv2_raemd.lesions.measurement import Measured, lesion_masks, measure_lesions
from nnunetv2_raemd.lesions.patient_space import slice_axis
from nnunetv2_raemd.nnunet_files.segmentation_file import Geometry

ALL_DIRECTIONS = pytest.mark.parametrize(
    "direction", [AXIAL, FLIPPED, TILTED, SAGITTAL], ids=["axial", "flipped", "tilted", "sagittal"]
)


def geometry_of(image: sitk.Image) -> Geometry:
    width, height, depth = image.GetSize()
    x, y, z = image.GetSpacing()
    return Geometry((depth, height, width), (z, y, x), image.GetOrigin(), image.GetDirection())


def measured(image: sitk.Image, **maps: Any) -> list[MeasuredLesion]:
    mask = sitk.GetArrayFromImage(image) > 0
    return measure_lesions(lesion_masks(mask), Measured(geometry_of(image), **maps), label="nodule")


@ALL_DIRECTIONS
@pytest.mark.parametrize("radius_mm", [4.0, 11.0])
def test_a_ball_on_any_grid(direction: tuple[float, ...], radius_mm: float) -> None:
    image = grid((64, 60, 58), (0.7, 0.8, 0.9), direction)
    centre_mm = np.add(middle_mm(image), (0.31, -0.17, 0.23))
    (found,) = measured(draw(image, ball(centre_mm, radius_mm)))
    assert found.centre_mm == pytest.approx(centre_mm, abs=0.1)
    assert found.volume_mm3 == pytest.approx(4 / 3 * math.pi * radius_mm**3, rel=0.02)
    assert found.equivalent_diameter_mm == pytest.approx(2 * radius_mm, rel=0.01)
    assert found.long_axis_mm == pytest.approx(2 * radius_mm, abs=0.8)
    assert found.short_axis_mm == pytest.approx(2 * radius_mm, abs=0.8)


def test_axes_of_discs_are_right_to_a_pixel() -> None:
    """Wherever the centre lies between pixels; the longest of many extents is rather too long."""
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(60):
        diameter, centre = rng.uniform(8, 30), 20 + rng.uniform(-0.5, 0.5, 2)
        row, column = np.mgrid[:41, :41]
        disc = np.hypot(row - centre[0], column - centre[1]) < diameter / 2
        axes = axial_axes(disc[None], (1.0, 1.0))
        errors.append((axes.long_mm - diameter, axes.short_mm - diameter))
    assert np.abs(errors).max() < 1
    assert (np.mean(errors, axis=0) > 0).all()


@pytest.mark.parametrize("degrees", [0, 30, 75, 120])
@pytest.mark.parametrize("direction", [AXIAL, FLIPPED, SAGITTAL])
def test_axes_of_an_ellipsoid_turned_in_the_axial_plane(direction: tuple[float, ...], degrees: float) -> None:
    """The longest axis of the ellipsoid runs along the patient and must not count."""
    image = grid((90, 92, 88), (0.5, 0.5, 0.5), direction)
    shape = ellipsoid(middle_mm(image), (14, 6, 20), turned_in_plane(degrees))
    (found,) = measured(draw(image, shape))
    assert found.long_axis_mm == pytest.approx(28, abs=0.5)
    assert found.short_axis_mm == pytest.approx(12, abs=0.5)
    assert found.volume_mm3 == pytest.approx(4 / 3 * math.pi * 14 * 6 * 20, rel=0.01)


@pytest.mark.parametrize("degrees", [0, 20, 45, 110])
def test_axes_of_an_oblique_rod_on_an_anisotropic_grid(degrees: float) -> None:
    """A rectangle L x W: its diagonal D, and across it the chord W D / L."""
    image = grid((200, 150, 21), (0.25, 0.35, 2.5))
    (found,) = measured(draw(image, rod(middle_mm(image), (30, 8, 22), turned_in_plane(degrees))))
    diagonal = math.hypot(30, 8)
    assert found.long_axis_mm == pytest.approx(diagonal, abs=0.35)
    assert found.short_axis_mm == pytest.approx(8 * diagonal / 30, abs=0.5)
    assert found.volume_mm3 == pytest.approx(30 * 8 * 9 * 2.5, rel=0.05)


def test_a_rod_through_the_slices_is_measured_in_one_of_them() -> None:
    """A rod of 3 mm, 30 degrees from the patient's long axis: 3 mm by 3 mm / cos 30 in a slice."""
    image = grid((100, 100, 60), (0.25, 0.25, 0.5))
    c, s = math.cos(math.radians(30)), math.sin(math.radians(30))
    turn = np.array([(c, 0, s), (0, 1, 0), (-s, 0, c)])
    (found,) = measured(draw(image, rod(middle_mm(image), (3, 3, 20), turn)))
    sides = (3 / c, 3.0)
    assert found.long_axis_mm == pytest.approx(math.hypot(*sides), abs=0.3)
    assert found.short_axis_mm == pytest.approx(sides[1] * math.hypot(*sides) / sides[0], abs=0.35)


def test_a_single_voxel() -> None:
    mask = np.zeros((3, 4, 5), bool)
    mask[1, 2, 3] = True
    axes = axial_axes(mask, (0.5, 0.8))
    assert (axes.long_mm, axes.short_mm) == pytest.approx((0.8, 0.5))
    assert axes.slice == 1


def test_the_long_axis_is_the_longest_in_any_slice_by_the_outlines_of_scikit_image() -> None:
    rng = np.random.default_rng(3)
    pixel_mm = (0.6, 0.9)
    for _ in range(20):
        mask = rng.random((4, 9, 8)) < 0.4
        longest = 0.0
        for one_slice in mask:
            corners = np.concatenate([*find_contours(np.pad(one_slice, 1), 0.5), np.zeros((0, 2))]) * pixel_mm
            longest = max(longest, np.linalg.norm(corners[:, None] - corners, axis=-1).max(initial=0))
        axes = axial_axes(mask, pixel_mm)
        assert axes.long_mm == pytest.approx(longest)
        assert 0 < axes.short_mm <= axes.long_mm


@ALL_DIRECTIONS
def test_random_blobs_as_simple_itk_measures_them(direction: tuple[float, ...]) -> None:
    rng = np.random.default_rng(1)
    image = grid((22, 20, 18), (0.7, 1.1, 2.5), direction)
    blobs = sitk.GetImageFromArray((rng.random((18, 20, 22)) < 0.04).astype(np.uint8))
    blobs.CopyInformation(image)
    parts = sitk.ConnectedComponent(blobs, True)
    truth = sitk.LabelShapeStatisticsImageFilter()
    truth.Execute(parts)
    found = measured(blobs)
    assert len(found) == truth.GetNumberOfLabels()
    assert [lesion.number for lesion in found] == list(range(1, len(found) + 1))
    assert [lesion.n_voxels for lesion in found] == sorted((f.n_voxels for f in found), reverse=True)
    axis = 2 - slice_axis(geometry_of(image))
    for lesion, mask in zip(found, lesion_masks(sitk.GetArrayFromImage(blobs) > 0), strict=True):
        z, y, x = (
            int(first) + int(at[0])
            for first, at in zip((side.start for side in mask.box), np.nonzero(mask.mask), strict=True)
        )
        label = parts[x, y, z]
        box = truth.GetBoundingBox(label)
        assert lesion.centre_mm == pytest.approx(truth.GetCentroid(label), abs=1e-6)
        assert lesion.volume_mm3 == pytest.approx(truth.GetPhysicalSize(label))
        assert lesion.equivalent_diameter_mm == pytest.approx(2 * truth.GetEquivalentSphericalRadius(label))
        assert (lesion.first_slice, lesion.last_slice) == (box[axis], box[axis] + box[3 + axis] - 1)
        assert lesion.first_slice <= lesion.axial_slice <= lesion.last_slice


def test_a_scan_stored_in_another_order_gives_the_same_lesions() -> None:
    image = grid((40, 44, 36), (0.7, 0.8, 1.5))
    centre = middle_mm(image)
    shapes = (ball(np.add(centre, (6, -4, 5)), 4), rod(centre - [5, 3, 8], (12, 4, 6), turned_in_plane(40)))
    axial = draw(image, *shapes)
    for code in ("RAI", "LPS", "SAL", "ASL", "PIR"):
        stored = sitk.DICOMOrient(axial, code)
        for ours, theirs in zip(measured(axial), measured(stored), strict=True):
            assert theirs.centre_mm == pytest.approx(ours.centre_mm)
            assert theirs.volume_mm3 == pytest.approx(ours.volume_mm3)
            assert (theirs.long_axis_mm, theirs.short_axis_mm) == pytest.approx(
                (ours.long_axis_mm, ours.short_axis_mm)
            )
            assert theirs.last_slice - theirs.first_slice == ours.last_slice - ours.first_slice


def test_hu_and_probability_are_those_within_the_lesion() -> None:
    image = grid((12, 11, 10), (1, 1, 2))
    drawn = draw(image, ball(middle_mm(image), 3))
    inside = sitk.GetArrayFromImage(drawn) > 0
    rng = np.random.default_rng(0)
    hu = rng.integers(-1000, 400, inside.shape).astype(np.int16)
    probability = rng.random(inside.shape, np.float32)
    (found,) = measured(drawn, hu=hu, probability=probability)
    assert (found.mean_hu, found.sd_hu) == pytest.approx((np.mean(hu[inside]), np.std(hu[inside])))
    assert found.max_probability == pytest.approx(float(probability[inside].max()))
    assert found.mean_probability == pytest.approx(float(np.mean(probability[inside], dtype=float)))


def test_a_format_without_a_place_in_the_patient_is_refused() -> None:
    mask = np.ones((2, 2, 2), bool)
    with pytest.raises(UserError, match="does not say where in the patient"):
        measure_lesions(lesion_masks(mask), Measured(Geometry((2, 2, 2), (1, 1, 1))), label="nodule")


def test_the_mask_of_a_real_tumour(real_data: Path) -> None:
    """125,256 voxels of 0.977 x 0.977 x 3 mm (IBSI); SimpleITK for the rest."""
    files = sorted((real_data / "ibsi").rglob("*mask*.nii.gz"))
    image = sitk.ReadImage(str(files[0])) > 0
    truth = sitk.LabelShapeStatisticsImageFilter()
    truth.Execute(sitk.ConnectedComponent(image, True))
    found = measured(image)
    where = places(image)[sitk.GetArrayFromImage(image) > 0]
    assert sum(lesion.n_voxels for lesion in found) == 125_256
    largest = max(truth.GetLabels(), key=truth.GetPhysicalSize)
    assert found[0].volume_mm3 == pytest.approx(truth.GetPhysicalSize(largest))
    assert found[0].centre_mm == pytest.approx(truth.GetCentroid(largest))
    assert found[0].short_axis_mm < found[0].long_axis_mm < np.linalg.norm(np.ptp(where, axis=0)) + 1
