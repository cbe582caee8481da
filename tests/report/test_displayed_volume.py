"""Images are turned for display, however they are stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.report.displayed_volume import read_volume


def test_columns_grow_to_the_left_rows_to_the_back_slices_to_the_head(tmp_path: Path) -> None:
    voxels = np.zeros((4, 5, 6), np.int16)
    voxels[3, 0, 1] = 7
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.5, 0.75, 2))
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))  # as a quarter of LUNA16's scans are stored
    sitk.WriteImage(image, str(tmp_path / "turned.nii.gz"))
    volume = read_volume(tmp_path / "turned.nii.gz")
    assert volume.geometry.spacing_mm == (2, 0.75, 0.5)
    assert np.argwhere(volume.voxels == 7).tolist() == [[3, 4, 4]]


def test_an_image_of_two_dimensions_is_one_slice(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((5, 6), np.uint8)), str(tmp_path / "flat.mha"))
    assert read_volume(tmp_path / "flat.mha").voxels.shape == (1, 5, 6)


def test_pictures_are_read_as_nnunet_does(tmp_path: Path) -> None:
    picture = np.arange(30, dtype=np.uint8).reshape(5, 6)
    sitk.WriteImage(sitk.GetImageFromArray(picture), str(tmp_path / "picture.png"))
    np.testing.assert_array_equal(
        read_volume(tmp_path / "picture.png", "NaturalImage2DIO").voxels[0], picture
    )


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.nii\.gz does not exist"):
        read_volume(tmp_path / "absent.nii.gz")
    (tmp_path / "broken.nii.gz").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"broken\.nii\.gz cannot be read"):
        read_volume(tmp_path / "broken.nii.gz")
