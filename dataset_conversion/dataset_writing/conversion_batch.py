"""Convert many cases, wherever that is done: finished ones are kept, and a bad one does not stop the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from nnunetv2_raemd.dataset_conversion.case import (
    Case,
    CaseExcludedError,
    Outcome,
    Status,
    contents_digest,
)
from nnunetv2_raemd.dataset_conversion.dataset_folder import DatasetFolder
from nnunetv2_raemd.dataset_conversion.measurements import measure
from nnunetv2_raemd.errors import UserError, reason_of
from nnunetv2_raemd.execution.backend import Backend
from nnunetv2_raemd.execution.progress import progress
from nnunetv2_raemd.version import __version__


def convert_case(case: Case, folder: DatasetFolder, *, verify: bool = False) -> Outcome:
    """Convert one case, or keep it where it is finished already; never raises for bad input.

    `verify` reads the sources of a finished case, to see that they hold what they did.

    A case that fails leaves nothing in the dataset, not even what an earlier run wrote from other input.
    Raises `UserError` where another run has taken over the folder.
    """
    try:
        fingerprint = case.fingerprint()
        record = folder.finished(case.case_id, fingerprint)
        if record is not None and (not verify or _is_unchanged(case, record)):
            return Outcome(case.case_id, Status.KEPT, patient_id=case.patient_id, record=record)
        loaded = case.load()
        record = {
            "patient_id": case.patient_id,
            "fingerprint": fingerprint,
            "sources_sha256": contents_digest(case.sources()),
            **loaded.details,
            **measure(loaded.image, loaded.label),
        }
        record = folder.write_case(case.case_id, loaded.image, loaded.label, record)
    except CaseExcludedError as error:
        return _left_out(case, folder, Status.EXCLUDED, str(error))
    except Exception as error:  # one bad case must not end a run of hundreds
        return _left_out(case, folder, Status.FAILED, reason_of(error))
    return Outcome(case.case_id, Status.CONVERTED, patient_id=case.patient_id, record=record)


@dataclass(frozen=True)
class ConversionJob:
    """`convert_case` as a job for a backend."""

    folder: DatasetFolder
    verify: bool = False

    def __call__(self, case: Case, /) -> Outcome:
        return convert_case(case, self.folder, verify=self.verify)

    def sees(self, case: Case, /) -> Mapping[str, object]:
        return {
            "the version of nnunetv2-raemd": __version__,
            f"the dataset folder {self.folder.path}": self.folder.is_current,
            f"the source files of {case.case_id}": _fingerprint_or_reason(case),
        }

    def gave_up(self, case: Case, reason: str, /) -> Outcome:
        return _left_out(case, self.folder, Status.FAILED, reason)


def run_cases(
    cases: Sequence[Case],
    folder: DatasetFolder,
    *,
    backend: Backend,
    strict: bool = False,
    verify: bool = False,
) -> list[Outcome]:
    """Convert `cases` with a progress bar; outcomes come in the order of `cases`.

    `strict` raises `UserError` at the first case that fails; the cases finished by then stay.
    """
    outcomes: dict[str, Outcome] = {}
    with (
        progress("Converting", len(cases)) as advance,
        closing(backend.run(ConversionJob(folder, verify), cases)) as finished,
    ):
        for outcome in finished:
            outcomes[outcome.case_id] = outcome
            failed = outcome.status is Status.FAILED
            advance(failed=failed)
            if strict and failed:
                raise UserError(f"{outcome.case_id}: {outcome.reason} (--strict stops at the first failure)")
    return [outcomes[case.case_id] for case in cases]


def _is_unchanged(case: Case, record: Mapping[str, object]) -> bool:
    return record.get("sources_sha256") == contents_digest(case.sources())


def _fingerprint_or_reason(case: Case) -> str:
    try:
        return case.fingerprint()
    except Exception as error:  # the case will fail by it, here and there
        return reason_of(error)


def _left_out(case: Case, folder: DatasetFolder, status: Status, reason: str) -> Outcome:
    if not folder.is_current:
        raise UserError(f"another run of the converter has taken over {folder.path}; this one stops")
    folder.discard(case.case_id)
    return Outcome(case.case_id, status, reason, case.patient_id)
