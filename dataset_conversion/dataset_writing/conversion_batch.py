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
from nnunetv2_raemd.execution.case_batch import Failed, finished_cases


def convert_case(case: Case, folder: DatasetFolder, *, verify: bool = False) -> Outcome:
    """Convert one case, or keep it where it is finished already.

    A case that fails leaves nothing in the dataset, not even what an earlier run wrote from other input.

    Args:
        verify: whether to read the sources of a finished case, to see that they hold what they did.

    Raises:
        UserError: if the case cannot be converted, or another run has taken over the folder.
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
        _discard(case, folder)
        return Outcome(case.case_id, Status.EXCLUDED, str(error), case.patient_id)
    except Exception:
        _discard(case, folder)
        raise
    return Outcome(case.case_id, Status.CONVERTED, patient_id=case.patient_id, record=record)


@dataclass(frozen=True)
class ConversionJob:
    """`convert_case` as a job for many cases."""

    folder: DatasetFolder
    verify: bool = False

    def __call__(self, case: Case, /) -> Outcome:
        return convert_case(case, self.folder, verify=self.verify)

    def case_id(self, case: Case, /) -> str:
        return case.case_id

    def sees(self, case: Case, /) -> Mapping[str, object]:
        return {
            f"the dataset folder {self.folder.path}": self.folder.is_current,
            f"the source files of {case.case_id}": _fingerprint_or_reason(case),
        }


def run_cases(
    cases: Sequence[Case],
    folder: DatasetFolder,
    *,
    backend: Backend,
    strict: bool = False,
    verify: bool = False,
) -> list[Outcome]:
    """Convert `cases` with a progress bar; outcomes come in the order of `cases`.

    Args:
        strict: whether to stop at the first case that fails; the cases finished by then stay.
        verify: as in `convert_case`.

    Raises:
        UserError: if a case fails and `strict` is set, another run has taken over the folder, or the place
            where the work is done is at fault.
    """
    outcomes: dict[int, Outcome] = {}
    job = ConversionJob(folder, verify)
    with closing(finished_cases("Converting", job, cases, backend=backend)) as finished:
        for number, result in finished:
            if not isinstance(result, Failed):
                outcomes[number] = result
                continue
            outcomes[number] = _failed(cases[number], folder, result)
            if strict:
                raise UserError(f"{result} (--strict stops at the first failure)")
    return [outcomes[number] for number in range(len(cases))]


def _failed(case: Case, folder: DatasetFolder, failed: Failed) -> Outcome:
    _discard(case, folder)  # what a case wrote that ended its workers
    return Outcome(case.case_id, Status.FAILED, failed.reason, case.patient_id)


def _is_unchanged(case: Case, record: Mapping[str, object]) -> bool:
    return record.get("sources_sha256") == contents_digest(case.sources())


def _fingerprint_or_reason(case: Case) -> str:
    try:
        return case.fingerprint()
    except Exception as error:  # the case will fail by it, here and there
        return reason_of(error)


def _discard(case: Case, folder: DatasetFolder) -> None:
    if not folder.is_current:
        raise UserError(f"another run of the converter has taken over {folder.path}; this one stops")
    folder.discard(case.case_id)
