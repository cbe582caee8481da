"""Names from files of others that become names of files."""

from __future__ import annotations

import re
from pathlib import Path

from nnunetv2_raemd.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
# devices of Windows, whatever follows the first dot
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST = 200  # with what is added to it, file systems allow 255


def leads_elsewhere(name: str) -> bool:
    """Whether a name, of any characters, is not that of a file in the folder in which it is looked for."""
    return name in ("", "..") or Path(name).name != name or "\\" in name or "\0" in name


def is_one_file_beside(name: str) -> bool:
    """Whether a header names a single file of voxels in its own folder: no pattern, no list of files."""
    return not (leads_elsewhere(name) or "%" in name or name.startswith("LIST"))


def check_file_name(name: str) -> str:
    """`name` where it may be that of a file, in any folder and on any system.

    Raises:
        UserError: if it holds other characters than letters, digits, '.', '-' and '_', begins with '.' or
            '-', ends with '.', is the name of a device of Windows, or is too long.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        shown = name if len(name) <= _LONGEST else f"{name[:40]}..."
        raise UserError(
            f"{shown!r} cannot name a file: use letters, digits, '.', '-' and '_', not '.' or '-' first, and "
            f"at most {_LONGEST} of them"
        )
    if _RESERVED.fullmatch(name) or name.endswith("."):
        raise UserError(f"{name!r} cannot name a file on Windows: choose another name")
    return name
