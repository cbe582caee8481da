"""Members of zip archives, with and without ISA-L: the same bytes, and the same answers to damage."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files import zip_member
from nnunetv2_raemd.nnunet_files.probability_map import read_probabilities
from nnunetv2_raemd.nnunet_files.zip_member import open_member

SHAPE = (9, 40, 50)
INFLATERS = ["isal", "zlib"]


@pytest.fixture(params=INFLATERS)
def inflater(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "isal":
        pytest.importorskip("isal", reason="the extra [evaluation] is not installed")
    else:
        monkeypatch.setattr(zip_member, "_isal", None)
    return str(request.param)


def content_of(file: Path, name: str, at_once: int) -> bytes:
    whole = io.BytesIO()
    with open_member(file, name) as stream:
        while part := stream.read(at_once):
            whole.write(part)
    return whole.getvalue()


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("at_once", [1000, 65536, 10**8])
@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_gives_what_was_written(tmp_path: Path, compression: int, at_once: int) -> None:
    rng = np.random.default_rng(0)
    written = rng.random(40_000).tobytes() + bytes(3_000_000) + rng.random(40_000).tobytes()
    with zipfile.ZipFile(tmp_path / "a.zip", "w", compression) as archive:
        archive.writestr("first", b"something before")
        archive.writestr("second", written)
        archive.writestr("nothing", b"")
    assert content_of(tmp_path / "a.zip", "second", at_once) == written
    assert content_of(tmp_path / "a.zip", "nothing", at_once) == b""
    with pytest.raises(KeyError, match="third"), open_member(tmp_path / "a.zip", "third"):
        pass


def test_isal_is_used_where_it_is_installed() -> None:
    isal_zlib = pytest.importorskip("isal.isal_zlib", reason="the extra [evaluation] is not installed")
    assert zip_member._isal is isal_zlib


@pytest.fixture
def file(tmp_path: Path) -> Path:
    probabilities = np.random.default_rng(0).random((2, *SHAPE)).astype(np.float32)
    np.savez_compressed(tmp_path / "case.npz", probabilities=probabilities)
    return tmp_path / "case.npz"


def regions(file: Path) -> int:
    return len(list(read_probabilities(file, SHAPE).regions_above(0.5, [1])))


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("place", [0.3, 0.9])
def test_a_flipped_bit_is_found(file: Path, place: float) -> None:
    assert regions(file) == 1
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"case\.npz (cannot be read|holds .*not a probability)"):
        regions(file)


@pytest.mark.usefixtures("inflater")
def test_data_shorter_than_promised_are_found(file: Path) -> None:
    """The sizes that the archive gives are larger than what it holds."""
    with zipfile.ZipFile(file) as archive:
        member = archive.getinfo("probabilities.npy")
        whole = archive.read(member)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("probabilities.npy", whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"case\.npz cannot be read"):
        regions(file)
    content = bytearray(file.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = len(whole).to_bytes(4, "little")  # uncompressed size
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"case\.npz cannot be read"):
        regions(file)


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_what_numpy_does_not_write_is_refused(tmp_path: Path, compression: int) -> None:
    """LZMA would take the memory that a few bytes name."""
    file = tmp_path / "a.npz"
    with zipfile.ZipFile(file, "w", compression) as archive, archive.open("probabilities.npy", "w") as member:
        np.lib.format.write_array(member, np.zeros((2, *SHAPE), np.float32))
    with pytest.raises(UserError, match=rf"a\.npz cannot be read .* compressed by method {compression}"):
        read_probabilities(file, SHAPE)


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize(("at", "value"), [(8, 99), (6, 1)], ids=["unknown compression", "encrypted"])
def test_damaged_entries_of_the_directory_are_named(tmp_path: Path, at: int, value: int) -> None:
    """zipfile says NotImplementedError and RuntimeError of these."""
    file = tmp_path / "a.npz"
    np.savez_compressed(file, probabilities=np.zeros((2, *SHAPE), np.float32))
    content = bytearray(file.read_bytes())
    content[at] = value
    content[content.rindex(b"PK\x01\x02") + at + 2] = value
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.npz cannot be read as nnU-Net's probabilities"):
        read_probabilities(file, SHAPE)
