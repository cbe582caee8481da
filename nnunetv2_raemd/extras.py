"""Packages that are installed only where they are asked for, by the extras of pip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from nnunetv2_raemd.errors import UserError


@contextmanager
def needs_extra(extra: str, what: str = "this") -> Iterator[None]:
    """Import packages of an extra within.

    Args:
        what: what needs them, as the message begins: "reading DICOM SEG".

    Raises:
        UserError: if one is missing; it names the package and says what to install.
    """
    try:
        yield
    except ImportError as error:
        package = (error.name or str(error)).partition(".")[0]
        raise UserError(f'{what} needs {package}: pip install "nnunetv2-raemd[{extra}]"') from error


def require(package: str, *, extra: str, what: str) -> None:
    """Look whether a package of an extra is installed, before work starts that will need it.

    Raises:
        UserError: as `needs_extra`.
    """
    with needs_extra(extra, what):
        import_module(package)
