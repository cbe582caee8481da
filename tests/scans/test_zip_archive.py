"""Zip files: nothing leaves the folder, and nothing grows without bound."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.scans import zip_archive
from nnunetv2_raemd.scans.zip_archive import unpack


def archive_of(folder: Path, members: dict[str, bytes]) -> Path:
    file = folder / "scan.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "deep" / "target"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "../../evil.dcm",
        "/etc/evil.dcm",
        "a/../../../evil.dcm",
        "..\\..\\evil.dcm",
        "C:\\evil.dcm",
        "..",
        "a/",
    ],
)
def test_no_path_leaves_the_folder(tmp_path: Path, target: Path, name: str) -> None:
    before = set(tmp_path.rglob("*"))
    file = archive_of(tmp_path, {"good/1.dcm": b"one", name: b"two"})
    unpacked = unpack(file, target)
    assert {found for found in tmp_path.rglob("*")} - before == {file, *unpacked}
    assert all(found.parent == target for found in unpacked)
    assert unpacked[0].read_bytes() == b"one"


def test_names_that_are_the_same_stay_apart_and_are_recognised(tmp_path: Path, target: Path) -> None:
    file = archive_of(tmp_path, {"a/IM1.dcm": b"a", "b/IM1.dcm": b"b", "c\nd\x1b[31m": b"c"})
    unpacked = unpack(file, target)
    assert [f.read_bytes() for f in unpacked] == [b"a", b"b", b"c"]
    assert [f.name for f in unpacked] == ["000001_IM1.dcm", "000002_IM1.dcm", "000003_c_d__31m"]


def test_a_link_becomes_a_file(tmp_path: Path, target: Path) -> None:
    file = tmp_path / "scan.zip"
    with zipfile.ZipFile(file, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    (unpacked,) = unpack(file, target)
    assert not unpacked.is_symlink() and unpacked.read_text() == "/etc/passwd"


def test_a_bomb_is_refused_before_anything_is_written(tmp_path: Path, target: Path) -> None:
    file = archive_of(tmp_path, {"bomb": bytes(150 * 2**20)})
    assert file.stat().st_size < 2**20
    with pytest.raises(UserError, match=r"0\.1 GiB unpacked, from 0\.1 MiB"):
        unpack(file, target)
    assert list(target.iterdir()) == []


def test_a_size_that_the_archive_gives_wrongly_does_not_let_more_through(
    tmp_path: Path, target: Path
) -> None:
    """The directory says 10 bytes of a member that holds a million."""
    file = archive_of(tmp_path, {"member": bytes(1_000_000)})
    content = file.read_bytes()
    size = (1_000_000).to_bytes(4, "little")
    assert content.count(size) == 2  # before the member, and in the directory at the end
    file.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(UserError, match="cannot be unpacked"):
        unpack(file, target)
    assert sum(f.stat().st_size for f in target.iterdir()) <= 10


def test_lzma_is_refused(tmp_path: Path, target: Path) -> None:
    """It would take the memory that a few bytes name."""
    file = tmp_path / "scan.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.dcm", b"content")
    with pytest.raises(UserError, match=r"scan\.zip is compressed by LZMA, unlike usual zip files"):
        unpack(file, target)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(("limit", "value"), [("MOST_FILES", 2), ("MOST_BYTES", 5)])
def test_too_many_and_too_large(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(zip_archive, limit, value)
    file = archive_of(tmp_path, {"1": b"one", "2": b"two", "3": b"three"})
    with pytest.raises(UserError, match=r"scan\.zip"):
        unpack(file, target)


def test_no_room_is_said_before(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 2})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match="TMPDIR"):
        unpack(archive_of(tmp_path, {"1": b"one"}), target)


def test_damaged_files_are_named(tmp_path: Path, target: Path) -> None:
    none = tmp_path / "none.zip"
    none.write_bytes(b"PK no")
    cut_off = archive_of(tmp_path, {"1": bytes(range(256)) * 50})
    cut_off.write_bytes(cut_off.read_bytes()[:-40])
    for file in (none, cut_off):
        with pytest.raises(UserError, match=rf"{file.name} cannot be unpacked"):
            unpack(file, target)


def test_an_encrypted_archive_is_refused(tmp_path: Path, target: Path) -> None:
    file = archive_of(tmp_path, {"1": b"one"})
    content = bytearray(file.read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag that says so
        content[content.index(signature) + at] |= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match="is encrypted: unpack it yourself"):
        unpack(file, target)
