"""What to do about a trainer that nnU-Net does not find: models name the one they were trained with."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from nnunetv2_raemd.errors import UserError

_VARIABLE = "nnUNet_extTrainer"
_NOT_FOUND = re.compile(r"Could not find requested nnunet trainer (\S+)")


@contextmanager
def naming_missing_trainer(otherwise: str = "") -> Iterator[None]:
    """Makes nnU-Net's error on a trainer that it does not find a `UserError` that says what to do.

    Args:
        otherwise: what else may be done, and is easier.
    """
    try:
        yield
    except RuntimeError as error:
        if (found := _NOT_FOUND.search(str(error))) is None:
            raise
        searched = os.environ.get(_VARIABLE) or "not set"
        first = f"{otherwise}, or " if otherwise else ""
        raise UserError(
            f"the trainer {found[1]} is not installed here: {first}install the package that brings it, or "
            f"add the folder of its file to {_VARIABLE} (now {searched})"
        ) from error
