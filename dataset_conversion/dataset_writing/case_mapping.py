"""The file that says which case and which patient a new name stands for."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nnunetv2_raemd.csv_text import as_written, csv_text, repeated_column
from nnunetv2_raemd.dataset_conversion.dataset_folder import DatasetFolder
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.file_names import check_file_name
from nnunetv2_raemd.regular_file import check_is_regular
from nnunetv2_raemd.whole_files import write_text

_COLUMNS = ("case", "patient", "original_case", "original_patient")


@dataclass(frozen=True)
class CaseMapping:
    """New names of cases and patients by the old ones, as the CSV file `path` keeps them."""

    path: Path
    cases: Mapping[str, str] = field(default_factory=dict)
    patients: Mapping[str, str] = field(default_factory=dict)
    patient_of_case: Mapping[str, str] = field(default_factory=dict)

    @property
    def private_folder(self) -> Path:
        """Where the words on single cases are kept, beside the mapping file."""
        return self.path.with_name(f"{self.path.stem}_cases")

    def private_file(self, case_id: str) -> Path:
        """The words on the case of the new name `case_id`."""
        return self.private_folder / f"{check_file_name(case_id)}.json"

    def extended(self, patient_of_case: Mapping[str, str], name: str) -> CaseMapping:
        """Also with the cases of `patient_of_case`; those known keep their names, others count on."""
        return replace(
            self,
            cases=_named(self.cases, patient_of_case, f"{name}_"),
            patients=_named(self.patients, patient_of_case.values(), f"{name}_P"),
            patient_of_case={**self.patient_of_case, **patient_of_case},
        )

    def write(self) -> None:
        """Write the file, whole or not at all."""
        rows: list[Sequence[str]] = [_COLUMNS]
        for original, case in self.cases.items():
            patient = self.patient_of_case[original]
            rows.append((case, self.patients[patient], original, patient))
        write_text(self.path, csv_text(rows))


def default_mapping_file(folder: DatasetFolder) -> Path:
    """Beside the dataset folder, so that it does not go along when that is shared."""
    return folder.path.with_name(f"mapping_{folder.path.name}.csv")


def read_mapping(file: Path, folder: DatasetFolder, *, overwrite: bool) -> CaseMapping:
    """The mapping in `file`, empty where there is none yet.

    Raises:
        UserError: if the file is damaged, lies in the dataset `folder`, or does not name the cases that are
            there already and are not to be overwritten.
    """
    file = file.resolve()
    if file.is_relative_to(folder.path.resolve()):
        raise UserError(f"--mapping {file} would lie in the dataset folder and be shared with it")
    mapping = _parse(file) if file.exists() else CaseMapping(file)
    unknown = set(folder.recorded_cases()).difference(mapping.cases.values())
    if unknown and not overwrite:
        raise UserError(
            f"{folder.path} holds {len(unknown)} cases that {file} does not name: give the mapping file that "
            "they were made with (--mapping), or --overwrite to convert everything again"
        )
    return mapping


def _parse(file: Path) -> CaseMapping:
    rows = _rows(file)
    cases = {row["original_case"]: row["case"] for row in rows}
    patients = {row["original_patient"]: row["patient"] for row in rows}
    patient_of_case = {row["original_case"]: row["original_patient"] for row in rows}
    for case in cases.values():
        try:
            check_file_name(case)
        except UserError as error:
            raise UserError(f"{file}: {error}") from None
    if len(set(cases.values())) < len(rows) or len(set(patients.values())) < len(patients):
        raise UserError(f"{file} gives one name to several cases or patients, or names one twice")
    return CaseMapping(file, cases, patients, patient_of_case)


def _rows(file: Path) -> list[dict[str, str]]:
    check_is_regular(file)
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
            twice = repeated_column(reader.fieldnames or ())
            found = [{column: row[column] for column in _COLUMNS} for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{file} cannot be read: {error}") from error
    except KeyError as error:
        raise UserError(f"{file} lacks the column {error}; expected {','.join(_COLUMNS)}") from error
    if twice is not None:
        raise UserError(f"{file} has the column {twice} twice; restore it from a copy")
    if any(None in row for row in rows):
        raise UserError(f"{file} has rows with more cells than there are columns; restore it from a copy")
    if not all(row["case"] and row["patient"] and row["original_patient"] is not None for row in found):
        raise UserError(f"{file} has rows that are cut off; restore it from a copy")
    return [{column: as_written(cell) for column, cell in row.items()} for row in found]


def _named(known: Mapping[str, str], originals: Iterable[str], prefix: str) -> dict[str, str]:
    """`known` continued: prefix and the next free number, three digits or more, for each new original."""
    names = dict(known)
    numbers = [int(n) for name in known.values() if (n := name.removeprefix(prefix)).isdecimal()]
    following = max(numbers, default=0) + 1
    for original in originals:
        if original not in names:
            names[original] = f"{prefix}{following:03d}"
            following += 1
    return names
