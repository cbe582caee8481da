"""Names from files of others that become names of files of ours."""

from __future__ import annotations

import re

from nnunetv2_raemd.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
# devices of Windows, whatever follows the first dot
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST = 200  # with what is added to it, file systems allow 255


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
