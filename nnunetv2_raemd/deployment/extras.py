"""Packages that are installed only where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nnunetv2_raemd.errors import UserError


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Import packages of an extra within; raises `UserError` with what to install where one is absent."""
    try:
        yield
    except ImportError as error:
        raise UserError(
            f'the package {error.name} is missing: run pip install "nnunetv2-raemd[{extra}]"'
        ) from error
