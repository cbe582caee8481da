"""Which trainings a file beside the folds of a model rests on, so that it does not outlive them.

A fold that is trained again takes the place of the one before, under the same name: what was learnt from the
validation of the former is not true of the latter.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from nnunetv2_raemd.errors import UserError

CHECKPOINT = "checkpoint_final.pth"
"""nnU-Net validates a fold with these weights."""


def training_identities(model_folder: Path, folds: Iterable[str]) -> dict[str, str]:
    """What tells the final checkpoint of each fold from others; folds without one are left out.

    From the check sums that the file keeps of its parts: no weight is read.
    """
    return {
        fold: _identity(file)
        for fold in folds
        if zipfile.is_zipfile(file := model_folder / f"fold_{fold}" / CHECKPOINT)
    }


def check_same_trainings(then: Mapping[str, str], file: Path, command: str) -> None:
    """Compare with the folds that lie beside `file` now; those that are not here are not known.

    Args:
        then: the identities when the file was made.
        command: that makes it again.

    Raises:
        UserError: if one of them was trained again.
    """
    now = training_identities(file.parent, then)
    if changed := sorted(fold for fold in now if now[fold] != then[fold]):
        raise UserError(
            f"{file} was made from another training of fold {', '.join(changed)} than the one beside it: "
            f"run {command} again, or remove the file"
        )


def _identity(file: Path) -> str:
    with zipfile.ZipFile(file) as archive:
        parts = [(part.CRC, part.file_size) for part in archive.infolist()]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
