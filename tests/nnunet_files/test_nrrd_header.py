"""NRRD headers: what readers pass over, and voxels in another file."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError, reason_of_reader
from nnunetv2_raemd.nnunet_files.image_header import read_image_header
from nnunetv2_raemd.nnunet_files.segmentation_file import SIMPLE_ITK, read_segmentation

VOXELS = np.arange(20 * 16 * 4, dtype="<i2").reshape(4, 16, 20)
STEPS = "space directions: (1,0,0) (0,2,0) (0,0,3)"
LPS = f"space: left-posterior-superior\n{STEPS}"


def write(file: Path, lines: str, voxels: bytes = VOXELS.tobytes(), encoding: str = "raw") -> Path:
    header = f"NRRD0005\ntype: short\ndimension: 3\nsizes: 20 16 4\nencoding: {encoding}\nendian: little\n"
    file.write_bytes(f"{header}{lines}\n\n".encode() + voxels)
    return file


@pytest.mark.parametrize(
    "space", ["scanner-xyz", "3D-right-handed", "3D-left-handed", "left-posterior-inferior"]
)
def test_a_space_that_does_not_tell_left_from_right_is_refused(tmp_path: Path, space: str) -> None:
    """SimpleITK takes the first three for left-posterior-superior."""
    file = write(tmp_path / "a.nrrd", f"space: {space}\n{STEPS}")
    with pytest.raises(UserError, match=rf"a\.nrrd gives its axes in {space.lower()} \(space\)"):
        read_segmentation(file)


def test_axes_in_a_space_without_a_name_are_what_every_reader_takes_them_for(tmp_path: Path) -> None:
    """As pynrrd writes them where it is given directions alone."""
    lines = STEPS.replace("(1,0,0)", "(-1,0,0)")
    unnamed = read_segmentation(write(tmp_path / "a.nrrd", f"space dimension: 3\n{lines}"))
    named = read_segmentation(write(tmp_path / "b.nrrd", f"space: left-posterior-superior\n{lines}"))
    assert unnamed.geometry == named.geometry and unnamed.geometry.direction == (-1, 0, 0, 0, 1, 0, 0, 0, 1)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (LPS.replace("(0,0,3)", "none"), "a spacing of 1 x 2 x nan mm: each must be a number above 0"),
        ("space directions:=(1,0,0) (0,2,0) (0,0,3)", "has no spacing"),
        ("spacings:=1 2 3", "has no spacing"),
        (f"kinds: domain domain time\n{LPS}", r"holds points of time \(kinds\)"),
    ],
    ids=["an axis without a direction", "a value of the writer's own", "another one", "time"],
)
def test_an_axis_without_a_spacing_is_refused(tmp_path: Path, lines: str, reason: str) -> None:
    """SimpleITK takes 1 mm for it."""
    file = write(tmp_path / "a.nrrd", lines)
    assert 1 in sitk.ReadImage(str(file)).GetSpacing()
    with pytest.raises(UserError, match=rf"a\.nrrd .*{reason}"):
        read_segmentation(file)


@pytest.mark.parametrize("field", ["data file", "datafile", "Data File"])
def test_voxels_beside_the_header_are_read_and_nothing_else(tmp_path: Path, field: str) -> None:
    (tmp_path / "beside.raw").write_bytes(VOXELS.tobytes())
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "beside.raw").write_bytes(VOXELS.tobytes())
    os.mkfifo(folder / "pipe.raw")
    file = folder / "a.nhdr"
    for name in ("beside.raw", "./beside.raw"):
        found = read_segmentation(write(file, f"{LPS}\n{field}: {name}", b""))
        assert np.array_equal(found.labels, VOXELS)
    elsewhere = (
        "../beside.raw",
        str(tmp_path / "beside.raw"),
        "/dev/zero",
        "LIST",
        "b%d.raw 1 4 1",
        "a.nhdr",
    )
    for name in (*elsewhere, "pipe.raw", "absent.raw"):
        write(file, f"{LPS}\n{field}: {name}", b"")
        reason = "does not name one file of voxels beside it" if name in elsewhere else name
        with pytest.raises(UserError, match=rf"a\.nhdr .*{reason}|{reason}"):
            read_segmentation(file)
        with pytest.raises(UserError, match=reason):  # for which SimpleITK opens the voxels, too
            read_image_header(file, SIMPLE_ITK)


@pytest.mark.parametrize("before", [b"", b"xxxx"])
def test_voxels_beside_the_header_are_read_to_their_end(tmp_path: Path, before: bytes) -> None:
    file, beside = tmp_path / "a.nhdr", tmp_path / "a.raw"
    for encoding, stored in (
        ("raw", before + VOXELS.tobytes()),
        ("gzip", gzip.compress(before + VOXELS.tobytes())),
    ):
        write(file, f"{LPS}\nbyte skip: {len(before)}\ndata file: a.raw", b"", encoding)
        beside.write_bytes(stored)
        assert np.array_equal(read_segmentation(file).labels, VOXELS)
        beside.write_bytes(stored[:-9])
        with pytest.raises(UserError, match=r"a\.nhdr is cut off"):
            read_segmentation(file)


def test_the_last_bytes_may_be_the_voxels(tmp_path: Path) -> None:
    for before in (b"", b"a header of another format" * 100):
        file = write(tmp_path / "a.nrrd", f"{LPS}\nbyte skip: -1", before + VOXELS.tobytes())
        assert np.array_equal(read_segmentation(file).labels, VOXELS)


def test_the_reason_is_told_without_the_places_in_the_librarys_source(tmp_path: Path) -> None:
    file = write(tmp_path / "a.nrrd", LPS, encoding="bzip2")
    with pytest.raises(RuntimeError) as raised:
        sitk.ReadImage(str(file))
    assert ".cxx" in str(raised.value) and "0x" in str(raised.value)
    told = reason_of_reader(raised.value)
    assert "bzip2" in told and not {".cxx", "0x", "[nrrd]"} & set(told.split())
    assert reason_of_reader(RuntimeError("two\n lines")) == "two lines"
    assert reason_of_reader(ValueError()) == "ValueError"
