"""Image files cut off and damaged, in every format of nnU-Net's that has something to tell it by."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from skimage import io

from nnunetv2_raemd import memory_size
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.whole_image import check_is_whole

VOXELS = np.random.default_rng(0).integers(-1000, 400, (6, 20, 24)).astype(np.int16)
COMPRESSED = {"a.nii.gz": 2, "a.mha": 2, "a.nrrd": 2, "a.png": 0, "a.tif": 0}
NOT_COMPRESSED = ("a.nii", "raw.mha", "raw.nrrd", "a.gipl", "raw.tif")


def write(file: Path) -> None:
    if file.suffix == ".png":
        io.imsave(file, (VOXELS[0] % 256).astype(np.uint8), check_contrast=False)
    elif file.suffix == ".tif":
        tifffile.imwrite(file, VOXELS, compression=None if file.stem == "raw" else "zlib")
    else:
        sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(file), file.stem != "raw")


def read(file: Path) -> np.ndarray:
    readers: dict[str, Callable[[Path], Any]] = {".png": io.imread, ".tif": tifffile.imread}
    if file.suffix in readers:
        return np.asarray(readers[file.suffix](file))
    return sitk.GetArrayFromImage(sitk.ReadImage(str(file)))


def accepted(file: Path, content: bytes) -> np.ndarray | None:
    """What is read of the file with that content; None where it is refused."""
    file.write_bytes(content)
    try:
        check_is_whole(file)
        return read(file)
    except UserError as error:
        assert str(file) in str(error)
        return None
    except Exception:  # the library itself refuses it
        return None


@pytest.mark.parametrize("name", [*COMPRESSED, *NOT_COMPRESSED])
def test_a_whole_file_passes_and_one_that_is_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    write(file)
    check_is_whole(file)
    content, voxels = file.read_bytes(), read(file)
    for length in {*np.linspace(0, len(content) - 1, 60).astype(int), *range(200, 640, 40)}:
        found = accepted(file, content[: min(length, len(content) - 1)])
        assert found is None or np.array_equal(found, voxels), f"cut to {length} bytes"


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_flipped_byte_in_compressed_voxels_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    write(file)
    content, voxels = file.read_bytes(), read(file)
    for place in np.linspace(len(content) // 4, len(content) - 1, 60).astype(int):
        damaged = bytearray(content)
        damaged[place] ^= 1 << (place % 8)
        found = accepted(file, bytes(damaged))
        assert found is None or np.array_equal(found, voxels), f"byte {place}"


def test_the_cut_files_of_a_trial_are_refused(real_data: Path) -> None:
    for name in ("cut_0000.nii.gz", "half_0000.nii.gz"):
        with pytest.raises(UserError, match=name):
            check_is_whole(real_data / "public-cases" / "cut-niftis" / name)


def test_much_more_than_the_header_promises_is_not_inflated(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(tmp_path / "a.nii"))
    bomb = gzip.compress((tmp_path / "a.nii").read_bytes() + bytes(20_000_000))
    (tmp_path / "a.nii.gz").write_bytes(bomb)
    with pytest.raises(UserError, match="more than the"):
        check_is_whole(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.mha", "raw.mha", "a.nrrd", "raw.nrrd", "a.gipl"])
def test_a_header_of_fewer_slices_than_there_are_is_refused(tmp_path: Path, name: str) -> None:
    """Libraries read as many as it says; some bytes after the last voxel are nothing."""
    file = tmp_path / name
    write(file)
    whole = file.read_bytes()
    one_less = {
        ".gz": lambda text: text.replace(bytes([24, 0, 20, 0, 6, 0]), bytes([24, 0, 20, 0, 5, 0]), 1),
        ".gipl": lambda text: text.replace(bytes([0, 24, 0, 20, 0, 6]), bytes([0, 24, 0, 20, 0, 5]), 1),
        "": lambda text: text.replace(b"24 20 6", b"24 20 5", 1),
    }
    one_less[".nii"] = one_less[".gz"]
    stored = gzip.decompress(whole) if name.endswith(".gz") else whole
    changed = one_less.get(file.suffix, one_less[""])(stored)
    assert changed != stored
    file.write_bytes(gzip.compress(changed) if name.endswith(".gz") else changed)
    assert len(read(file)) == 5
    with pytest.raises(UserError, match=rf"{name} has a damaged header: it promises 4800 bytes of voxels"):
        check_is_whole(file)
    if name in NOT_COMPRESSED:
        file.write_bytes(whole + bytes(100))
        check_is_whole(file)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.mha", "raw.mha", "a.nrrd", "a.tif"])
def test_voxels_that_take_more_than_the_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Zeros take a thousandth of their room: what a file takes is no bound to what it holds."""
    file = tmp_path / name
    write(file)
    header = 352 if ".nii" in name else 0
    monkeypatch.setattr(memory_size, "memory_bytes", lambda: VOXELS.nbytes + header)
    check_is_whole(file)
    monkeypatch.setattr(memory_size, "memory_bytes", lambda: VOXELS.nbytes + header - 1)
    with pytest.raises(UserError, match=rf"{name} cannot be read: it is damaged or too large"):
        check_is_whole(file)


def test_a_metaimage_whose_voxels_would_begin_within_its_header_is_refused(tmp_path: Path) -> None:
    """SimpleITK would take letters of the header for voxels."""
    file = tmp_path / "raw.mha"
    write(file)
    content = file.read_bytes()
    file.write_bytes(content.replace(b"ElementDataFile", b"HeaderSize = -1\nElementDataFile"))
    check_is_whole(file)
    assert np.array_equal(read(file), VOXELS)
    file.write_bytes(content.replace(b"ElementDataFile", b"HeaderSize = 20\nElementDataFile"))
    assert not np.array_equal(read(file), VOXELS)
    with pytest.raises(UserError, match=r"raw\.mha has a damaged header: .* HeaderSize says otherwise"):
        check_is_whole(file)


@pytest.mark.parametrize("told", [600, -1])
def test_bytes_before_the_voxels_of_a_file_beside_the_header_are_skipped(tmp_path: Path, told: int) -> None:
    """More than a slice of them. Of -1, the voxels are the last bytes (MetaImage's HeaderSize)."""
    file = tmp_path / "a.mhd"
    write(file)
    beside = file.with_suffix(".zraw" if file.with_suffix(".zraw").exists() else ".raw")
    text = file.read_text().replace("CompressedData = True", "CompressedData = False")
    text = "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("CompressedDataSize"))
    file.write_text(text.replace("ElementDataFile", f"HeaderSize = {told}\nElementDataFile"))
    beside.write_bytes(bytes(VOXELS[0].nbytes + 600)[: 600 if told > 0 else None] + VOXELS.tobytes())
    check_is_whole(file)
    assert np.array_equal(read(file), VOXELS)
    beside.write_bytes(VOXELS.tobytes()[:-1])
    with pytest.raises(UserError, match=r"a\.mhd is cut off"):
        check_is_whole(file)
