"""Whose scans the cases of a dataset are, as far as it says so, and patients on both sides of a fold.

nnU-Net knows cases only. `raemd convert` writes into its report whose they are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import TypedDict

from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.json_file import read_json
from nnunetv2_raemd.nnunet_files.splits_file import Split

REPORT = "conversion_report.json"


class _Row(TypedDict):
    case: str
    patient: str


class _Report(TypedDict):
    cases: list[_Row]


def patients_of_cases(raw: Path) -> dict[str, str]:
    """Patients by case of the raw dataset in this folder; empty where it has no report of `raemd convert`."""
    try:
        report = read_json(raw / REPORT, _Report, "")
    except UserError:  # absent, or another program's
        return {}
    return {row["case"]: row["patient"] for row in report["cases"] if row["patient"]}


@dataclass(frozen=True)
class SharedPatients:
    """Patients who have some scans to train on and others to validate.

    Attributes:
        number: of such patients.
        example: the first of them.
        trained_on, validated: a case each of that one.
    """

    number: int
    example: str
    trained_on: str
    validated: str

    def told(self) -> str:
        """A clause."""
        return (
            f"{counted(self.number, 'patient')} in training and validation, as {self.example} (trained on "
            f"{self.trained_on}, validated on {self.validated})"
        )


def shared_patients(
    training: Collection[str], validation: Collection[str], patients: Mapping[str, str]
) -> SharedPatients | None:
    """Patients on both sides of a fold by different cases; None without any."""
    trained = {patients[case]: case for case in sorted(training, reverse=True) if case in patients}
    validated = {
        patients[case]: case
        for case in sorted(set(validation).difference(training), reverse=True)
        if patients.get(case) in trained
    }
    if not validated:
        return None
    first = min(validated)
    return SharedPatients(len(validated), first, trained[first], validated[first])


def shared_in_fold(
    fold: str | None, splits: Sequence[Split], patients: Mapping[str, str]
) -> SharedPatients | None:
    """Of a fold of `splits_final.json`; None also where that has none of this name, as of `all`."""
    if fold is None or not fold.isdecimal() or int(fold) >= len(splits):
        return None
    split = splits[int(fold)]
    return shared_patients(split["train"], split["val"], patients)
