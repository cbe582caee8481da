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
        otherwise: what else may be done, after "or".
    """
    try:
        yield
    except RuntimeError as error:
        if (found := _NOT_FOUND.search(str(error))) is None:
            raise
        searched = os.environ.get(_VARIABLE) or "not set"
        raise UserError(
            f"the model was trained with the trainer {found[1]}, which is not installed here: install the "
            f"package that brings it, or add the folder of its file to {_VARIABLE} (now {searched})"
            f"{f', or {otherwise}' if otherwise else ''}"
        ) from error
