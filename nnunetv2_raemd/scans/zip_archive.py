"""A zip file of scans, unpacked without trust in what it says."""

from __future__ import annotations

import re
import shutil
import zipfile
import zlib
from pathlib import Path

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.execution.progress import progress

# Far above any study, far below what fills a disk unnoticed.
MOST_FILES = 100_000
MOST_BYTES = 32 * 2**30
# Scans shrink to a third, slices of nothing but air to a thousandth; a whole file beyond this is a bomb.
HIGHEST_RATIO = 200
_ENCRYPTED = 1  # bit of a member's flags (APPNOTE.TXT 4.4.4)
_SMALL = 100 * 2**20  # what is smaller than this once unpacked does no harm at any ratio


def unpack(file: Path, folder: Path) -> list[Path]:
    """The files of an archive, written to `folder` under names that no archive can choose.

    Links become plain files, and archives within the archive are not opened.

    Raises:
        UserError: if the file is no zip file, damaged or encrypted, or holds too many or too large files.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check_size(file, members, folder)
            return _write(archive, members, folder)
    except (zlib.error, EOFError) as error:
        raise UserError(f"{file} cannot be unpacked: it is damaged or cut off ({error})") from error
    except (zipfile.BadZipFile, NotImplementedError, OSError, RuntimeError) as error:
        raise UserError(f"{file} cannot be unpacked: {error}") from error


def begins_as_zip(file: Path) -> bool:
    """Whether a file that is no zip file was one, before its end was lost: what it holds is listed there."""
    with file.open("rb") as stream:
        return stream.read(4) == b"PK\x03\x04"


def _check_size(file: Path, members: list[zipfile.ZipInfo], folder: Path) -> None:
    if any(member.compress_type == zipfile.ZIP_LZMA for member in members):
        # it takes as much memory as a few bytes of the member say
        raise UserError(f"{file} is compressed by LZMA, unlike usual zip files: unpack it yourself")
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise UserError(f"{file} is encrypted: unpack it yourself, and give the folder")
    n_bytes, packed = sum(m.file_size for m in members), file.stat().st_size
    if len(members) > MOST_FILES:
        raise UserError(f"{file} holds {len(members)} files, more than {MOST_FILES}: unpack it yourself")
    if n_bytes > MOST_BYTES or (n_bytes > _SMALL and n_bytes > HIGHEST_RATIO * packed):
        raise UserError(
            f"{file} would take {n_bytes / 2**30:.1f} GiB unpacked, from {packed / 2**20:.1f} MiB: that is "
            "more than scans do; if it is meant so, unpack it yourself"
        )
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise UserError(
            f"{file} needs {n_bytes / 2**30:.1f} GiB in {folder}, which has {free / 2**30:.1f} GiB free; "
            "set TMPDIR to a folder with more"
        )


def _write(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], folder: Path) -> list[Path]:
    files = []
    with progress("Unpacking", len(members)) as advance:
        for number, member in enumerate(members, start=1):
            target = folder / f"{number:06d}_{_plain(member.filename)}"
            # zipfile reads no more than the size that was checked, whatever the compressed data hold
            with archive.open(member) as packed, target.open("xb") as unpacked:
                shutil.copyfileobj(packed, unpacked)
            files.append(target)
            advance(failed=False)
    return files


def _plain(name: str) -> str:
    """The last part of a member's name, for messages: no separators, no control characters, not long."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", re.split(r"[/\\]", name)[-1])[-60:]
