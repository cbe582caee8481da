"""The blur of the augmentation stays within a slice."""

from __future__ import annotations

import pytest
import torch
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform

from nnunetv2_raemd.training.in_plane_blur import InPlaneBlur, blur_in_plane


@pytest.mark.parametrize("n_slices", [1, 2, 3, 8])
def test_a_point_is_spread_within_its_slice(n_slices: int) -> None:
    image = torch.zeros(1, n_slices, 21, 21)
    image[0, :, 10, 10] = torch.arange(1.0, n_slices + 1)
    blurred = InPlaneBlur((1.0, 1.0))(image=image.clone())["image"]
    assert blurred.sum((2, 3)).tolist()[0] == pytest.approx(range(1, n_slices + 1))
    assert blurred[0, 0, 10, 10] < 0.5
    for index in range(1, n_slices):  # all slices alike
        torch.testing.assert_close(blurred[0, index], (index + 1) * blurred[0, 0])
    offsets = torch.arange(21.0) - 10
    variance = (blurred[0, 0].sum(1) * offsets**2).sum()
    assert variance == pytest.approx(1.0, abs=0.02)  # sigma 1; the kernel ends at 3 sigma


def test_channels_that_are_not_chosen_stay() -> None:
    image = torch.rand(3, 4, 9, 9)
    blurred = InPlaneBlur((1.0, 1.0), p_per_channel=0)(image=image.clone())["image"]
    assert torch.equal(blurred, image)


def test_takes_the_place_of_nnunets() -> None:
    others = [RandomTransform(torch.nn.Identity(), 0.1), torch.nn.Identity()]
    blur = RandomTransform(GaussianBlurTransform((0.5, 0.75), p_per_channel=0.25), 0.2)
    pipeline = blur_in_plane(ComposeTransforms([others[0], blur, others[1]]))
    assert [pipeline.transforms[0], pipeline.transforms[2]] == others
    replaced = pipeline.transforms[1]
    assert type(replaced.transform) is InPlaneBlur
    assert (replaced.apply_probability, replaced.transform.p_per_channel) == (0.2, 0.25)
    assert replaced.transform.blur_sigma == (0.5, 0.75)
