"""Voxels whose size is in another unit than mm, in every format and for every reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.lesions.hu_image import read_ct
from nnunetv2_raemd.nnunet_files.image_header import read_image_header
from nnunetv2_raemd.nnunet_files.segmentation_file import SIMPLE_ITK, read_segmentation
from nnunetv2_raemd.scans.single_image import read_single_image
from nnunetv2_raemd.volumes.plausible_spacing import about_spacing, implausible_spacing

METERS, MICROMETERS = (0.0007, 0.0007, 0.0025), (700.0, 700.0, 2500.0)
FORMATS = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr")
READERS: list[Callable[[Path], object]] = [
    read_segmentation,
    read_ct,
    read_single_image,
    lambda file: read_image_header(file, SIMPLE_ITK),
]


def image(file: Path, spacing_mm: tuple[float, ...], size: tuple[int, int, int] = (4, 5, 6)) -> Path:
    made = sitk.Image(size, sitk.sitkInt16)
    made.SetSpacing(spacing_mm)
    made.SetDirection((0, 0, 1, 0, 1, 0, -1, 0, 0))  # NRRD then has vectors along other axes
    sitk.WriteImage(made, str(file))
    return file


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("spacing_mm", [METERS, MICROMETERS])
def test_other_units_are_refused(tmp_path: Path, ending: str, spacing_mm: tuple[float, ...]) -> None:
    file = image(tmp_path / f"a{ending}", spacing_mm)
    shown = " x ".join(f"{mm:g}" for mm in spacing_mm)
    for read in READERS:
        with pytest.raises(UserError, match=rf"a{ending} has a spacing of {shown} mm, which no CT has"):
            read(file)


@pytest.mark.parametrize("ending", FORMATS)
def test_the_finest_and_the_coarsest_are_read_and_any_distance_of_a_single_slice(
    tmp_path: Path, ending: str
) -> None:
    """A single slice has 999 mm where nnU-Net wrote it."""
    for spacing_mm, size in (((0.012, 0.012, 45.0), (4, 5, 6)), ((1.0, 1.0, 999.0), (4, 5, 1))):
        file = image(tmp_path / f"a{ending}", spacing_mm, size)
        found = read_segmentation(file).geometry.spacing_mm
        assert found == pytest.approx(spacing_mm[::-1], rel=1e-5)


def test_gipl_is_named(tmp_path: Path) -> None:
    """Its header tells a spacing always, so that nothing but the geometry is looked at."""
    file = tmp_path / "a.gipl"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 3, 4), np.int16)), str(file))
    assert read_segmentation(file).geometry.spacing_mm == (1, 1, 1)
    made = sitk.ReadImage(str(file))
    made.SetSpacing(MICROMETERS)
    sitk.WriteImage(made, str(file))
    with pytest.raises(UserError, match=r"a\.gipl cannot be read .* 2500 x 700 x 700 mm, which no CT has"):
        read_segmentation(file)


def test_the_limits() -> None:
    assert implausible_spacing((0.01, 0.5, 50.0), (2, 2, 2)) is None
    assert implausible_spacing((0.0099, 0.5, 50.0), (2, 2, 2)) is not None
    assert implausible_spacing((0.01, 0.5, 50.1), (2, 2, 2)) is not None
    assert implausible_spacing((0.01, float("nan"), 50.0), (2, 2, 2)) is not None


def test_centimeters_are_remarked_on() -> None:
    assert about_spacing((0.1, 0.1, 0.25)) is None
    about = about_spacing((0.25, 0.07, 0.07))
    assert about is not None and about.startswith("its voxels of 0.25 x 0.07 x 0.07 mm are finer than")
