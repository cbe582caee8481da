"""Cases under new names: the old ones, and all that could tell them, are kept apart from the dataset.

A dataset folder, its report and the screen then say NAME_001 of a case and NAME_P001 of a patient, and
beside that only figures. A mapping file (CSV) says which case that is; what the sources are called, and every
remark or error in words, stands in a folder beside the mapping file, one JSON file a case.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from nnunetv2_raemd.dataset_conversion.case import Case, CaseExcludedError, FoundCases, LoadedCase
from nnunetv2_raemd.dataset_conversion.dataset_writing.case_mapping import CaseMapping
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.whole_files import write_json

# What a record may say in words: all values come from lists of ours.
_PUBLIC_WORDS = ("mask_source", "lungs")


@dataclass(frozen=True)
class AnonymousCase:
    """A case under its new name; `private_file` takes what its sources and remarks are called."""

    original: Case
    case_id: str
    patient_id: str
    private_file: Path

    def summary(self) -> str:
        return "anonymized"

    def sources(self) -> Sequence[Path]:
        return self.original.sources()

    def fingerprint(self) -> str:
        try:
            return self.original.fingerprint()
        except Exception as error:  # the message may tell who it is
            raise self._unnamed(error) from None

    def load(self) -> LoadedCase:
        """The case with figures only in its details."""
        sitk.ProcessObject.SetGlobalWarningDisplay(False)  # ITK's warnings name files
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pydicom's quote values
                loaded = self.original.load()
        except Exception as error:
            raise self._unnamed(error) from None
        self._keep(loaded.details)
        return replace(loaded, details=_public(loaded.details))

    def _unnamed(self, error: Exception) -> Exception:
        """An error of the same meaning whose words are kept in the private file."""
        self._keep({"problem": f"{type(error).__name__}: {error}"})
        kind = CaseExcludedError if isinstance(error, CaseExcludedError) else UserError
        return kind(_elsewhere(self.private_file))

    def _keep(self, details: Mapping[str, Any]) -> None:
        who = {"original_case": self.original.case_id, "original_patient": self.original.patient_id}
        write_json(self.private_file, {**who, **details})


@dataclass(frozen=True)
class AnonymousCases:
    """Cases that name nobody, and what their names and remarks stand for."""

    found: FoundCases
    mapping: CaseMapping
    private: Mapping[Path, Any]

    def write_private(self) -> None:
        """Write the mapping, and why cases were rejected; to be done before the conversion."""
        self.mapping.write()
        for file, content in self.private.items():
            write_json(file, content)


def anonymized(found: FoundCases, mapping: CaseMapping, *, name: str) -> AnonymousCases:
    """The cases under new names: those of `mapping`, continued by `name`."""
    patients = {outcome.case_id: outcome.patient_id for outcome in found.rejected if outcome.patient_id}
    patients |= {case.case_id: case.patient_id for case in found.cases}
    mapping = mapping.extended(dict(sorted(patients.items())), name)
    private: dict[Path, Any] = {}
    rejected = []
    for number, outcome in enumerate(found.rejected, start=1):
        # what belongs to no patient is a file that is no case, and gets no place in the mapping
        case_id = mapping.cases[outcome.case_id] if outcome.patient_id else f"{name}_file{number:03d}"
        file = mapping.private_file(case_id)
        private[file] = {"original_case": outcome.case_id, "problem": outcome.reason}
        patient = mapping.patients.get(outcome.patient_id, "")
        rejected.append(replace(outcome, case_id=case_id, patient_id=patient, reason=_elsewhere(file)))
    remarks: tuple[str, ...] = ()
    if found.remarks:
        file = mapping.private_folder / "remarks.json"
        private[file] = list(found.remarks)
        remarks = (f"remarks on the input ({len(found.remarks)}): {_elsewhere(file)}",)
    return AnonymousCases(
        replace(
            found,
            cases=tuple(_renamed(case, mapping) for case in found.cases),
            rejected=tuple(rejected),
            remarks=remarks,
            subsets={mapping.cases[c]: subset for c, subset in found.subsets.items() if c in mapping.cases},
        ),
        mapping,
        private,
    )


def _renamed(case: Case, mapping: CaseMapping) -> AnonymousCase:
    case_id = mapping.cases[case.case_id]
    patient_id = mapping.patients[case.patient_id]
    return AnonymousCase(case, case_id, patient_id, mapping.private_file(case_id))


def _elsewhere(private_file: Path) -> str:
    return f"see {private_file.parent.name}/{private_file.name} beside the mapping file"


def _public(details: Mapping[str, Any]) -> dict[str, Any]:
    """Figures, and words from our own lists; of remarks only that there are some."""
    kept = {k: v for k, v in details.items() if k in _PUBLIC_WORDS or _is_figure(v)}
    remarks = len(details.get("checks", ()))
    return {**kept, "checks": [f"remarks ({remarks}), kept beside the mapping file"] if remarks else []}


def _is_figure(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_figure, value))
    return value is None or isinstance(value, (bool, int, float))
