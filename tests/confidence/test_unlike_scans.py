"""Scans unlike those of a training: phantoms, and one patient's scan by two kernels."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunetv2_raemd.confidence.scan_profile import ScanProfile, profile_of
from nnunetv2_raemd.confidence.unlike_scans import TrainingScans, training_scans, unlikeness
from nnunetv2_raemd.nnunet_files.segmentation_file import Geometry

AXIAL = (1.0, 0, 0, 0, 1, 0, 0, 0, 1)
SHAPE, SPACING_MM = (40, 80, 90), (2.5, 4.0, 4.0)


def chest(rng: np.random.Generator, *, lungs: int = 2, noise_hu: float = 20) -> np.ndarray:
    """An ellipse of soft tissue with two of air in it, in air."""
    y, x = np.mgrid[-1 : 1 : SHAPE[1] * 1j, -1 : 1 : SHAPE[2] * 1j]
    hu = np.full(SHAPE[1:], -1000.0)
    hu[(y / 0.7) ** 2 + (x / 0.9) ** 2 < 1] = 40
    for side in (-1, 1)[:lungs]:
        hu[(y / 0.45) ** 2 + ((x - side * 0.4) / 0.25) ** 2 < 1] = -850
    return (hu + rng.normal(0, noise_hu, SHAPE)).astype(np.int16)


def profile(hu: np.ndarray, spacing_mm: tuple[float, float, float] = SPACING_MM) -> ScanProfile:
    return profile_of(hu, Geometry(hu.shape, spacing_mm, (0.0, 0, 0), AXIAL))


@pytest.fixture(scope="module")
def training() -> TrainingScans:
    rng = np.random.default_rng(0)
    noises = rng.uniform(15, 25, 12)
    found = training_scans([profile(chest(rng, noise_hu=noise)) for noise in noises])
    assert found is not None
    return TrainingScans.from_json(json.loads(json.dumps(found.as_json())))


def test_the_profile_of_a_chest() -> None:
    found = profile(chest(np.random.default_rng(0)))
    expected_ml = 2 * np.pi * 0.45 * 0.25 * (40 * 4) * (45 * 4) * 40 * 2.5 / 1000
    assert found.lung_ml == pytest.approx(expected_ml, rel=0.05)
    assert found.noise_hu == pytest.approx(20 * np.sqrt(24 / 25), rel=0.1)
    assert (found.slice_spacing_mm, found.length_mm, found.width_mm) == (2.5, 100, 320)


def test_another_scan_of_the_kind_is_not_unlike(training: TrainingScans) -> None:
    assert unlikeness(profile(chest(np.random.default_rng(77))), training) == []


@pytest.mark.parametrize(
    ("hu", "spacing_mm", "reason"),
    [
        (chest(np.random.default_rng(1)), (8.0, 4.0, 4.0), "slice spacing: 8 mm, in the training 2.5 mm"),
        (chest(np.random.default_rng(1))[:12], SPACING_MM, "field of view along the patient: 30 mm"),
        (chest(np.random.default_rng(1), lungs=1), SPACING_MM, "air within the body"),
        (chest(np.random.default_rng(1), lungs=0), SPACING_MM, "air within the body"),
        (chest(np.random.default_rng(1), noise_hu=60), SPACING_MM, "noise in soft tissue"),
        (
            chest(np.random.default_rng(1)) + 1024,
            SPACING_MM,
            "training (higher throughout)",
        ),
        (
            chest(np.random.default_rng(1)) - 100,
            SPACING_MM,
            "training (lower throughout)",
        ),
    ],
    ids=["slices", "cut off", "one lung", "no lung", "noise", "HU plus 1024", "HU less 100"],
)
def test_what_is_unlike_is_named(
    training: TrainingScans, hu: np.ndarray, spacing_mm: tuple[float, float, float], reason: str
) -> None:
    assert any(reason in sentence for sentence in unlikeness(profile(hu, spacing_mm), training))


def test_volumes_of_liters_are_written_out(training: TrainingScans) -> None:
    """The ellipses have semi-axes of 72 and 45 mm and are 100 mm long: 1018 ml each."""
    scan = replace(profile(chest(np.random.default_rng(3))), lung_ml=5123.0)
    (sentence,) = unlikeness(scan, training)
    bounds = "20[0-9]0"
    expected = rf"air within the body \(lung\): 5120 ml, in the training {bounds}( to {bounds})? ml"
    assert re.fullmatch(expected, sentence), sentence


def test_too_few_scans_say_nothing() -> None:
    rng = np.random.default_rng(0)
    assert training_scans([profile(chest(rng)) for _ in range(4)]) is None


def test_a_sharp_kernel_is_told_from_a_soft_one(real_data: Path) -> None:
    """The same scan of a patient, reconstructed by B40f and by B70f."""
    noises = {}
    for folder in sorted({file.parent for file in (real_data / "lung-pet-ct-dx").rglob("*.dcm")}):
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
        reader.MetaDataDictionaryArrayUpdateOn()
        image = reader.Execute()
        kernel = reader.GetMetaData(0, "0018|1210").strip()
        z, y, x = image.GetSpacing()[::-1]
        hu = sitk.GetArrayFromImage(image)
        noises[kernel] = profile_of(
            hu, Geometry(hu.shape, (z, y, x), image.GetOrigin(), image.GetDirection())
        ).noise_hu
    sharp, smooth = noises["B70f"], noises["B40f"]
    assert sharp is not None and smooth is not None
    assert sharp > 2 * smooth
