"""MetaImage scans: whole or refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunetv2_raemd import memory_size
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


def test_voxels_that_take_more_than_the_memory_are_refused(
    header: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_size, "memory_bytes", lambda: 239)
    with pytest.raises(UserError, match=r"scan\.mhd cannot be read: it is damaged or too large"):
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
    with pytest.raises(UserError, match="ElementType = 'MET_FLOAT'"):
        read_metaimage(tmp_path / "scan.mhd")


def test_flat_image_is_refused(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.Image([3, 3], sitk.sitkInt16), str(tmp_path / "scan.mhd"))
    with pytest.raises(UserError, match="three-dimensional"):
        read_metaimage(tmp_path / "scan.mhd")


def deflated(folder: Path, *, size_field: bool = True) -> Path:
    """A compressed scan; without CompressedDataSize, as some writers leave it."""
    voxels = np.random.default_rng(0).integers(-1000, 1000, (9, 10, 11)).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(folder / "scan.mhd"), useCompression=True)
    if not size_field:
        change(folder / "scan.mhd", "CompressedDataSize", None)
    return folder / "scan.mhd"


def change(header: Path, key: str, value: str | None) -> None:
    """Give a field another value, add it before the last, or (None) take it out."""
    lines = [
        line
        for line in header.read_text(encoding="utf-8").splitlines()
        if line.partition("=")[0].strip() != key
    ]
    if value is not None:
        lines.insert(-1 if key != "ElementDataFile" else len(lines), f"{key} = {value}")
    header.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("size_field", [True, False])
def test_every_flipped_byte_and_every_cut_of_compressed_voxels_is_refused(
    tmp_path: Path, size_field: bool
) -> None:
    header = deflated(tmp_path, size_field=size_field)
    whole = sitk.GetArrayFromImage(read_metaimage(header))
    assert np.array_equal(whole, np.random.default_rng(0).integers(-1000, 1000, (9, 10, 11)))
    zraw = tmp_path / "scan.zraw"
    content = zraw.read_bytes()
    places = [*range(12), *range(12, len(content), 97), *range(len(content) - 6, len(content))]
    damaged = [content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :] for at in places]
    cut = [content[:at] for at in (*places[1:], len(content) // 2)]
    for bad in [*damaged, *cut, content + b"\0", content * 2]:
        zraw.write_bytes(bad)
        try:
            read = sitk.GetArrayFromImage(read_metaimage(header))
        except UserError as error:
            assert "scan.zraw" in str(error)
        else:  # a bit that says how well it was compressed, and no more
            assert np.array_equal(read, whole) and bad != content


def test_compressed_size_that_is_not_that_of_the_stream_is_refused(tmp_path: Path) -> None:
    header = deflated(tmp_path)
    change(header, "CompressedDataSize", "700")
    with pytest.raises(UserError, match=r"the header promises 700"):
        read_metaimage(header)


@pytest.mark.parametrize("compressed", [True, False])
def test_voxels_within_the_header_file(tmp_path: Path, compressed: bool) -> None:
    voxels = np.random.default_rng(1).integers(-1000, 1000, (5, 6, 7)).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / "a.mha"), useCompression=compressed)
    assert np.array_equal(sitk.GetArrayFromImage(read_metaimage(tmp_path / "a.mha")), voxels)
    (tmp_path / "a.mha").write_bytes((tmp_path / "a.mha").read_bytes()[:-3])
    with pytest.raises(UserError, match=r"a\.mha"):
        read_metaimage(tmp_path / "a.mha")


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("ElementSpacing", None, "lacks ElementSpacing"),
        ("ElementSpacing", "0 1 1", "spacing must be positive"),
        ("ElementSpacing", "nan 1 1", "3 numbers are expected"),
        ("DimSize", None, "lacks DimSize"),
        ("DimSize", "100000 100000 100000", "no CT has so many voxels"),
        ("DimSize", f"{'9' * 5000} 5 4", "no CT is so large"),
        ("DimSize", "6 5", "three whole numbers"),
        ("DimSize", "6 5 -4", "three whole numbers"),
        ("DimSize", "6 0 4", "it has no voxels"),
        ("NDims", "100000 100000 100000", "not a three-dimensional image"),
        ("NDims", "4", "not a three-dimensional image"),
        ("ElementNumberOfChannels", "3", "not a grey image"),
        ("ElementType", "MET_DOUBLE", "CT has one of"),
        ("ElementDataFile", "../scan.raw", "single file beside the header"),
        ("ElementDataFile", "/etc/passwd", "single file beside the header"),
        ("ElementDataFile", "LIST", "single file beside the header"),
        ("ElementDataFile", "scan%03d.raw 1 4 1", "single file beside the header"),
        ("TransformMatrix", "1 0 0 0 1 0 0 0 inf", "9 numbers are expected"),
        ("TransformMatrix", "2 0 0 0 1 0 0 0 1", "at right angles and of length 1"),
        ("TransformMatrix", "1 0.2 0 0 1 0 0 0 1", "at right angles and of length 1"),
        ("Rotation", "-1 0 0 0 -1 0 0 0 1", "TransformMatrix says something else"),
        ("Offset", "1 2", "3 numbers are expected"),
        ("Position", "100 100 100", "Offset says something else"),
        ("ElementToIntensityFunctionSlope", "2", "would not be HU"),
        ("ElementToIntensityFunctionOffset", "-1024", "would not be HU"),
        ("CompressedData", "perhaps", "True or False"),
        ("BinaryData", "False", "voxels written as text"),
        ("HeaderSize", "1e9", "a whole number"),
    ],
)
def test_broken_header_is_named_with_its_field(
    header: Path, key: str, value: str | None, reason: str
) -> None:
    """Before any memory is taken; and nothing is to be downloaded again but a header."""
    change(header, key, value)
    with pytest.raises(UserError, match=reason) as error:
        read_metaimage(header)
    assert str(header) in str(error.value) and ".raw is" not in str(error.value)


def test_field_that_is_there_twice_is_refused(header: Path) -> None:
    header.write_text("DimSize = 3 3 3\n" + header.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(UserError, match="says twice what DimSize is"):
        read_metaimage(header)


def test_header_that_promises_more_than_zlib_can_hold_is_refused_at_once(tmp_path: Path) -> None:
    header = deflated(tmp_path)
    change(header, "DimSize", "1000 1000 1000")
    with pytest.raises(UserError, match="too short for the voxels"):
        read_metaimage(header)


def test_pipe_in_the_place_of_voxels_is_not_opened(header: Path) -> None:
    raw = header.with_suffix(".raw")
    raw.unlink()
    os.mkfifo(raw)
    with pytest.raises(UserError, match="named pipe"):
        read_metaimage(header)
