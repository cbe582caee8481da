"""Which files of a download are looked at."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

# On discs that are not its own, macOS keeps what it knows of the file NAME in a file ._NAME (AppleDouble).
_NOT_OF_THE_ARCHIVE = "._"


def files_below(folder: Path, pattern: str = "*") -> list[Path]:
    """Files below `folder` whose names match, as "*.mhd", sorted.

    Folders that are links are gone into, as the parts of an archive may lie on several discs; each folder is
    looked at once, by whichever of its paths comes first.
    """
    found: list[Path] = []
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        found += [Path(parent, name) for name in names if fnmatchcase(name, pattern)]
    return sorted(file for file in found if not file.name.startswith(_NOT_OF_THE_ARCHIVE))
