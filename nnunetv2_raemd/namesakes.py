"""Names that some file systems take for one: different only in case, or in how their letters are composed.

Windows and macOS do so, and so do many shares and USB sticks on Linux: the file that is written last is then
the only one, under a name that was another's.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.whole_files import folder_in_the_making


def namesakes(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Those of the different names that may be taken for one, together."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        alike[_folded(name)].append(name)
    return [tuple(group) for group in alike.values() if len(group) > 1]


def check_told_apart(folder: Path, names: Iterable[str]) -> None:
    """Look whether files of these names, or of names that begin with them, can lie side by side.

    Args:
        folder: where they are to be written; it need not exist yet.

    Raises:
        UserError: if its file system takes two of them for one.
    """
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir())
    for group in namesakes(names):
        if are_one_file(there, group):
            raise UserError(
                f"{' and '.join(group)} would be one file in {folder}, whose file system does not tell such "
                "names apart: rename one, or choose a folder on another disk"
            )


def are_one_file(folder: Path, names: Iterable[str]) -> bool:
    """Whether the file system of an existing folder takes at least two of the names for one.

    Raises:
        UserError: if it cannot be written.
    """
    try:
        with folder_in_the_making(folder) as making:
            for name in names:
                if (making / name).exists():
                    return True
                (making / name).touch()
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error}") from error
    return False


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
