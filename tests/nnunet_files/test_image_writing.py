"""Images that do not fit on the disc are not taken for written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from small_disc import files_of_at_most

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.image_writing import write_whole_image

NOISE = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 255, (8, 32, 32), np.uint8))
ENDINGS = (".nii", ".nii.gz", ".mha", ".nrrd")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("n_bytes", [0, 200, 5000])
def test_a_part_of_a_file_is_an_error(tmp_path: Path, ending: str, n_bytes: int) -> None:
    file = tmp_path / f"scan{ending}"
    with files_of_at_most(n_bytes), pytest.raises(UserError, match=r"scan.* (cannot|could not) be written"):
        write_whole_image(NOISE, file)


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_fits_is_written_as_it_is(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"scan{ending}"
    write_whole_image(NOISE, file)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(file))), _voxels())


def _voxels() -> np.ndarray:
    return np.asarray(sitk.GetArrayFromImage(NOISE))
