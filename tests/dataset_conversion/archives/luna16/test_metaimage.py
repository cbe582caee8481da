"""MetaImage scans: whole or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunetv2_raemd.dataset_conversion.archives.luna16.metaimage import read_metaimage
from nnunetv2_raemd.errors import UserError


@pytest.fixture
def header(tmp_path: Path) -> Path:
    voxels = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / "scan.mhd"))
    return tmp_path / "scan.mhd"


def test_reads_what_simpleitk_reads(header: Path) -> None:
    assert np.array_equal(sitk.GetArrayFromImage(read_metaimage(header)).ravel(), np.arange(120))


@pytest.mark.parametrize("change", [-1, -240, 2])
def test_voxel_file_of_the_wrong_length_is_refused(header: Path, change: int) -> None:
    raw = header.with_suffix(".raw")
    content = raw.read_bytes()
    raw.write_bytes(content[:change] if change < 0 else content + b"\0" * change)
    with pytest.raises(UserError, match=r"scan\.raw has \d+ bytes, the header promises 240"):
        read_metaimage(header)


def test_missing_voxel_file_is_named(header: Path) -> None:
    header.with_suffix(".raw").unlink()
    with pytest.raises(UserError, match=r"scan\.raw is missing"):
        read_metaimage(header)


def test_missing_raw_of_a_real_header(real_data: Path) -> None:
    header = next((real_data / "luna16" / "ct-headers-only").glob("*.mhd"))
    with pytest.raises(UserError, match=r"\.raw is missing"):
        read_metaimage(header)


def test_real_compressed_mask_is_read(real_data: Path) -> None:
    header = next((real_data / "luna16" / "seg-lungs").glob("*.mhd"))
    assert set(np.unique(sitk.GetArrayFromImage(read_metaimage(header)))) == {0, 3, 4, 5}


def test_truncated_compressed_file_is_refused(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 999, (9, 9, 9)).astype(np.int16))
    sitk.WriteImage(image, str(tmp_path / "scan.mhd"), useCompression=True)
    zraw = tmp_path / "scan.zraw"
    zraw.write_bytes(zraw.read_bytes()[: zraw.stat().st_size // 2])
    with pytest.raises(UserError, match=r"scan\.zraw"):
        read_metaimage(tmp_path / "scan.mhd")


@pytest.mark.parametrize("text", ["", "this is no header", "ObjectType = Image\nNDims = 3\n"])
def test_what_is_no_header_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "scan.mhd").write_text(text)
    with pytest.raises(UserError, match=r"scan\.mhd"):
        read_metaimage(tmp_path / "scan.mhd")


def test_fractions_are_not_hu(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.Image([3, 3, 3], sitk.sitkFloat32), str(tmp_path / "scan.mhd"))
    with pytest.raises(UserError, match="not HU"):
        read_metaimage(tmp_path / "scan.mhd")


def test_flat_image_is_refused(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.Image([3, 3], sitk.sitkInt16), str(tmp_path / "scan.mhd"))
    with pytest.raises(UserError, match="three-dimensional"):
        read_metaimage(tmp_path / "scan.mhd")
