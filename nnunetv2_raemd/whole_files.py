"""Files written whole or not at all: after an error, a full disk or a kill, what was there before still is.

A file is made in a hidden folder beside its place, which belongs to one process alone, and renamed into
place at the end. What a kill leaves of such folders, the next process that writes there removes.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psutil

from nnunetv2_raemd.errors import UserError

PREFIX = ".unfinished-"
# A folder in the making of another machine, whose processes cannot be asked for: no file takes this long.
_ABANDONED_AFTER_S = 24 * 60 * 60.0


@contextmanager
def whole_file(file: Path, *, within: Path | None = None) -> Iterator[Path]:
    """A path to write `file` to; it takes the place of `file` where the block ends without an error.

    The path has the name of `file`, because libraries tell formats by it. The folder of `file` is made where
    it is missing.

    Args:
        within: the folder in which the file is made, by default that of `file`. It must exist, on the
            same file system.

    Raises:
        UserError: if the file cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with folder_in_the_making(within or file.parent) as making:
            yield making / file.name
            (making / file.name).replace(file)
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error}") from error


@contextmanager
def whole_files(folder: Path, *, last: str) -> Iterator[Path]:
    """An empty folder for files that belong together; they move to `folder` where the block ends well.

    Args:
        folder: made where it is missing; its files of the same names are replaced.
        last: the file, by its path in the folder, that moves after all others: where it is, all are.

    Raises:
        UserError: if the files cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with folder_in_the_making(folder) as making:
            yield making
            files = [path.relative_to(making) for path in making.rglob("*") if not path.is_dir()]
            for file in sorted(files, key=lambda file: (file == Path(last), file)):
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (making / file).replace(folder / file)
    except OSError as error:
        raise UserError(f"{folder / last} cannot be written: {error}") from error


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """An empty folder that takes the name of `folder`, which must be free, where the block ends well.

    Raises:
        UserError: if the folder cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder_in_the_making(folder.parent) as making:
            whole = making / folder.name
            whole.mkdir()  # not that of folder_in_the_making, which only its user may read
            yield whole
            whole.replace(folder)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error}") from error


@contextmanager
def folder_in_the_making(parent: Path) -> Iterator[Path]:
    """A new folder of this process in `parent`, which must exist; gone at the end."""
    _remove_abandoned(parent)
    making = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}@{socket.gethostname()}-", dir=parent))
    try:
        yield making
    finally:
        shutil.rmtree(making, ignore_errors=True)


def write_text(file: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all, with line ends as they are.

    Raises:
        UserError: if the file cannot be written.
    """
    with whole_file(file) as making:
        making.write_text(text, encoding="utf-8", newline="")


def write_json(file: Path, content: object, *, indent: int = 2) -> None:
    """Write `content` as JSON, whole or not at all.

    Raises:
        UserError: if the file cannot be written.
    """
    write_text(file, json.dumps(content, indent=indent) + "\n")


@cache  # once per process: a folder may hold thousands of cases
def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        if _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    """Whether the process that made it has ended: known of this machine, guessed by age of another."""
    pid, _, host = folder.name.removeprefix(PREFIX).rpartition("-")[0].partition("@")
    if host == socket.gethostname() and pid.isdecimal() and not psutil.pid_exists(int(pid)):
        return True
    try:
        return time.time() - folder.stat().st_mtime > _ABANDONED_AFTER_S
    except OSError:  # it has just gone
        return False
