"""splits_final.json: which cases each fold of nnU-Net's cross-validation is trained and validated on."""

from __future__ import annotations

from pathlib import Path

from typing_extensions import TypedDict

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.file_names import leads_elsewhere
from nnunetv2_raemd.nnunet_files.json_file import read_json

_ADVICE = "nnU-Net writes it again where it is missing"


class Split(TypedDict):
    """The cases of one fold."""

    train: list[str]
    val: list[str]


def read_splits(file: Path) -> list[Split]:
    """The folds; none where there is no such file.

    Raises:
        UserError: if it is not as nnU-Net writes it, or a case could not name a file.
    """
    if not file.exists():
        return []
    splits = read_json(file, list[Split], _ADVICE)
    for split in splits:
        for case_id in (*split["train"], *split["val"]):
            if leads_elsewhere(case_id):
                raise UserError(f"{file}: {case_id[:60]!r} is not the name of a case. {_ADVICE}")
    return splits
