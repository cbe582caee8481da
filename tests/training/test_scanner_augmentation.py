"""The augmentation for scanners, by closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms

from nnunetv2_raemd.training.scanner_augmentation import (
    CorrelatedNoise,
    KernelSharpness,
    ThickSlices,
    scanner_transforms,
    with_scanners,
)

N = 32


def wave(frequency: float, n_slices: int = 3) -> torch.Tensor:
    """A wave along the columns, of so many periods in N pixels, mirrored smoothly at the borders."""
    x = torch.cos(torch.pi * frequency * 2 * (torch.arange(N) + 0.5) / N)
    return x.expand(1, n_slices, N, N).clone()


def inside(image: torch.Tensor) -> torch.Tensor:
    """Far from the borders, where the filter sees no padding."""
    return image[..., 8:-8, 8:-8]


@pytest.mark.parametrize("amount", [-1.0, -0.5, 0.8])
@pytest.mark.parametrize("frequency", [1, 4])
def test_a_kernel_changes_a_wave_by_its_transfer_function(amount: float, frequency: int) -> None:
    """A Gaussian passes exp(-(2 pi f sigma)^2 / 2) of a wave; unsharp masking adds amount times the rest."""
    sigma = 1.2
    passed = math.exp(-((2 * math.pi * frequency / N * sigma) ** 2) / 2)
    image = wave(frequency)
    changed = KernelSharpness(amount, sigma)(image=image.clone())["image"]
    torch.testing.assert_close(
        inside(changed), (1 + amount * (1 - passed)) * inside(image), atol=0.01, rtol=0
    )


def test_flat_images_have_no_sharpness() -> None:
    flat = torch.full((2, 4, N, N), 0.7)
    torch.testing.assert_close(KernelSharpness(1.5, 1.0)(image=flat.clone())["image"], flat)


@pytest.mark.parametrize("shape", [(1, 64, 64), (1, 4, 64, 64)])
def test_noise_has_its_deviation_and_correlation_in_plane(shape: tuple[int, ...]) -> None:
    sigma, deviation = 1.0, 0.3
    noise = CorrelatedNoise(deviation, sigma)(image=torch.zeros(shape))["image"]
    assert noise.std().item() == pytest.approx(deviation, rel=1e-4)
    # white noise blurred by sigma correlates by exp(-d^2 / (4 sigma^2)) at a distance d
    for distance in (1, 2):
        product = (noise[..., distance:] * noise[..., :-distance]).mean().item()
        assert product / deviation**2 == pytest.approx(math.exp(-(distance**2) / 4), abs=0.08)


def test_slices_of_noise_are_independent() -> None:
    noise = CorrelatedNoise(1.0, 1.0)(image=torch.zeros(1, 8, 64, 64))["image"][0].flatten(1)
    between = torch.corrcoef(noise) - torch.eye(8)
    assert between.abs().max() < 0.15


def test_thick_slices_by_hand() -> None:
    image = torch.tensor([1.0, 4.0, 10.0]).reshape(1, 3, 1, 1).expand(1, 3, 8, 8).clone()
    thick = ThickSlices(1.0)(image=image.clone())["image"]
    assert thick[0, :, 0, 0].tolist() == pytest.approx([2.0, 5.0, 8.0])  # thirds, the last slice once more
    half = ThickSlices(0.5)(image=image.clone())["image"]
    assert half[0, 1, 0, 0].item() == pytest.approx((4 + 0.5 * 11) / 2)


def test_single_slices_have_no_thickness() -> None:
    image = torch.rand(3, 8, 8)
    assert torch.equal(ThickSlices(1.0)(image=image.clone())["image"], image)


def test_ours_stand_between_place_and_mirroring() -> None:
    spatial, mirror = SpatialTransform((8, 8), 0, False), MirrorTransform((0, 1))
    names = [type(step) for step in with_scanners(ComposeTransforms([spatial, mirror])).transforms]
    assert names == [SpatialTransform, *(type(step) for step in scanner_transforms()), MirrorTransform]


@pytest.mark.parametrize("shape", [(1, N, N), (2, 4, N, N), (1, 1, N, N)])
def test_every_shape_keeps_its_shape_and_is_finite(shape: tuple[int, ...]) -> None:
    for step in scanner_transforms():
        image = step.transform(image=torch.randn(shape))["image"]
        assert image.shape == shape
        assert torch.isfinite(image).all()
