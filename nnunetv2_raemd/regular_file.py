"""Files that are safe to open: no pipe that never ends, no device."""

from __future__ import annotations

import stat
from pathlib import Path

from nnunetv2_raemd.errors import UserError


def check_is_regular(file: Path) -> None:
    """Look at what lies at that path without opening it: to open a named pipe would wait for its writer.

    Raises:
        UserError: if nothing is there, or it is a folder, a named pipe, a socket or a device.
    """
    try:
        mode = file.stat().st_mode
    except FileNotFoundError as error:
        raise UserError(f"{file} does not exist") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise UserError(f"{file} cannot be read: {error}") from error
    if stat.S_ISDIR(mode):
        raise UserError(f"{file} is a folder, where a file is expected")
    if not stat.S_ISREG(mode):
        raise UserError(f"{file} is a named pipe, a socket or a device, where a regular file is expected")
