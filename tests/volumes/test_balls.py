"""Balls in an image's grid, against the definition voxel by voxel in world coordinates."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.volumes.balls import Ball, draw_balls

UPRIGHT = (1, 0, 0, 0, 1, 0, 0, 0, 1)
TURNED = (-1, 0, 0, 0, -1, 0, 0, 0, 1)
OBLIQUE = (0.36, 0.48, -0.8, -0.8, 0.6, 0.0, 0.48, 0.64, 0.6)


def make_image(direction: tuple[float, ...] = UPRIGHT) -> sitk.Image:
    image = sitk.Image([22, 18, 14], sitk.sitkInt16)
    image.SetSpacing((0.7, 0.9, 1.6))
    image.SetOrigin((-120.5, 33.25, -400.0))
    image.SetDirection(direction)
    return image


def by_definition(image: sitk.Image, ball: Ball) -> np.ndarray:
    mask = np.zeros(image.GetSize()[::-1], dtype=np.uint8)
    for index in np.ndindex(image.GetSize()):
        centre = image.TransformIndexToPhysicalPoint(index)
        mask[index[::-1]] = np.linalg.norm(np.subtract(centre, ball.centre_mm)) <= ball.diameter_mm / 2
    return mask


@pytest.mark.parametrize("direction", [UPRIGHT, TURNED, OBLIQUE], ids=["upright", "turned", "oblique"])
@pytest.mark.parametrize("at", [(11.2, 8.7, 6.4), (0.3, 17.0, 13.2)], ids=["inside", "at the border"])
def test_voxels_within_the_radius_are_set(
    direction: tuple[float, ...], at: tuple[float, float, float]
) -> None:
    image = make_image(direction)
    ball = Ball(image.TransformContinuousIndexToPhysicalPoint(at), 7.3)
    label = draw_balls(image, [ball])
    expected = by_definition(image, ball)
    assert expected.sum() > 30
    assert np.array_equal(sitk.GetArrayFromImage(label), expected)
    assert label.GetDirection() == image.GetDirection() and label.GetOrigin() == image.GetOrigin()


def test_volume_approaches_the_balls() -> None:
    image = sitk.Image([80, 80, 80], sitk.sitkInt16)
    label = draw_balls(image, [Ball((40.1, 39.7, 40.3), 60.0)])
    assert sitk.GetArrayFromImage(label).sum() == pytest.approx(np.pi / 6 * 60**3, rel=2e-3)


def test_without_balls_the_mask_is_empty() -> None:
    assert not sitk.GetArrayFromImage(draw_balls(make_image(), [])).any()


@pytest.mark.parametrize(
    "ball",
    [Ball((500.0, 0.0, 0.0), 10.0), Ball((-120.85, 32.7, -400.9), 9.0), Ball((-120.15, 33.7, -399.2), 0.4)],
    ids=["far away", "just outside", "between voxels"],
)
def test_ball_that_misses_the_image_is_an_error(ball: Ball) -> None:
    with pytest.raises(UserError, match="does not lie in the image"):
        draw_balls(make_image(), [ball])
