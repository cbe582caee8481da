"""Headers with axes that are not at right angles, which libraries straighten without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.lesions.hu_image import read_ct
from nnunetv2_raemd.nnunet_files.image_axes import are_at_right_angles
from nnunetv2_raemd.nnunet_files.image_header import read_image_header
from nnunetv2_raemd.nnunet_files.segmentation_file import read_segmentation
from nnunetv2_raemd.scans.single_image import read_single_image

READERS: dict[str, Callable[[Path], object]] = {
    "segmentation": read_segmentation,
    "CT of lesions": read_ct,
    "single scan": read_single_image,
    "scan of a folder": lambda file: read_image_header(file, "SimpleITKIO"),
}


@pytest.mark.parametrize("matrix", ["2 0 0 0 1 0 0 0 1", "1 0.2 0 0 1 0 0 0 1"], ids=["longer", "sheared"])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_every_reader_refuses_them(read: Callable[[Path], object], matrix: str, tmp_path: Path) -> None:
    file = tmp_path / "a.mha"
    sitk.WriteImage(sitk.Image([4, 5, 6], sitk.sitkUInt8), str(file))
    read(file)
    upright = b"TransformMatrix = 1 0 0 0 1 0 0 0 1"
    assert upright in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(upright, f"TransformMatrix = {matrix}".encode()))
    with pytest.raises(UserError, match=r"a\.mha.*right angles"):
        read(file)


def test_turned_and_rounded_axes_are_none_of_them() -> None:
    turned = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
    assert are_at_right_angles(np.round(turned, 4).ravel().tolist())
    assert are_at_right_angles((0, 1, -1, 0))
    assert not are_at_right_angles((1, 0.01, 0, 1))
