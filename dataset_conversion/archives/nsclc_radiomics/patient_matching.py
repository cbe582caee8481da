"""Which CT series and which contours make a case, for each patient."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.nsclc_radiomics_choices import (
    KNOWN_EXCLUSIONS,
)
from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.patient_case import ContouredCt, MaskChoice
from nnunetv2_raemd.dataset_conversion.case import FoundCases, Outcome, Status, case_identifier
from nnunetv2_raemd.dicom.dicom_index import DicomIndex
from nnunetv2_raemd.dicom.empty_namesakes import without_empty_namesakes
from nnunetv2_raemd.dicom.index_entries import CtInstance, Delineation, Unreadable
from nnunetv2_raemd.dicom.mask_source import MaskSource
from nnunetv2_raemd.dicom.series_matching import DamagedSeriesError, SeriesMatch, match_series
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.extras import require


def find_nsclc_radiomics_cases(
    index: DicomIndex,
    *,
    choice: MaskChoice,
    excluded: Mapping[str, str] = KNOWN_EXCLUSIONS,
) -> FoundCases:
    """One case per patient, RTSTRUCT or SEG and CT series matched by UIDs.

    `excluded` maps patients to the reason for leaving them out.
    """
    if choice.source is MaskSource.SEG:
        require("highdicom.seg", extra="dicom", what="reading DICOM SEG")
    delineations = _by_patient(index)
    patients = sorted({*delineations, *(_patient(images[0]) for images in index.ct.values())})
    if not patients and not index.unreadable:
        raise UserError("there are no CT images and no RTSTRUCT or SEG among the input files")
    found: list[ContouredCt] = []
    rejected: list[Outcome] = []
    told: set[Unreadable] = set()
    for patient in patients:
        if patient in excluded:
            rejected.append(Outcome(case_identifier(patient), Status.EXCLUDED, excluded[patient], patient))
            continue
        try:
            found.append(_match_patient(patient, delineations.get(patient, []), index, choice))
        except UserError as error:
            rejected.append(Outcome(case_identifier(patient), Status.FAILED, str(error), patient))
            told |= error.damaged if isinstance(error, _NothingUsableError) else set()
    cases, namesakes = _apart_from_namesakes(found)
    files = (_unreadable(file) for file in index.unreadable if file not in told)
    strangers = sorted(set(excluded).difference(patients, KNOWN_EXCLUSIONS, [""]))
    remarks = tuple(f"there is no patient to leave out called {patient}" for patient in strangers)
    return FoundCases(tuple(cases), (*files, *rejected, *namesakes), remarks)


class _NothingUsableError(UserError):
    """Every file with the ROI was refused; `damaged` are the files that it tells of by name."""

    def __init__(self, refused: Sequence[tuple[Delineation, UserError]]) -> None:
        super().__init__("; ".join(_refusal(*one) for one in refused))
        self.damaged = {
            file for _, error in refused if isinstance(error, DamagedSeriesError) for file in error.files
        }


def _refusal(delineation: Delineation, error: UserError) -> str:
    return f"{delineation.path.name}: {error}"


def _apart_from_namesakes(found: Sequence[ContouredCt]) -> tuple[list[ContouredCt], list[Outcome]]:
    """Patients whose identifiers become the same file name would overwrite each other."""
    times = Counter(case.case_id for case in found)
    reason = "another patient's identifier gives the same case name"
    return (
        [case for case in found if times[case.case_id] == 1],
        [Outcome(c.case_id, Status.FAILED, reason, c.patient_id) for c in found if times[c.case_id] > 1],
    )


def _match_patient(
    patient: str, delineations: Sequence[Delineation], index: DicomIndex, choice: MaskChoice
) -> ContouredCt:
    usable: list[tuple[Delineation, SeriesMatch, list[str]]] = []
    refused: list[tuple[Delineation, UserError]] = []
    for file in _preferred(delineations, choice.source):
        if usable and usable[0][0].source is not file.source:
            break
        try:
            delineation, empty = without_empty_namesakes(file, choice.roi)
            rois = choice.roi.of(delineation.rois)
            usable.append((delineation, match_series(delineation, rois, index), empty))
        except UserError as error:
            refused.append((file, error))
    if not usable:
        nothing = UserError(_nothing_to_use(delineations, choice.source))
        raise _NothingUsableError(refused) if refused else nothing
    if len(usable) > 1:
        files = ", ".join(str(delineation.path) for delineation, *_ in usable)
        raise UserError(f"{len(usable)} {usable[0][0].source.value} files have the ROI; keep one of {files}")
    delineation, ct, empty = usable[0]
    notes = (*ct.notes, *empty, *(_refusal(*one) for one in refused))
    return ContouredCt(case_identifier(patient), patient, ct, delineation, choice, notes)


def _preferred(delineations: Sequence[Delineation], source: MaskSource) -> list[Delineation]:
    """Those of the source asked for, RTSTRUCT first."""
    order = (MaskSource.RTSTRUCT, MaskSource.SEG) if source is MaskSource.AUTO else (source,)
    return [delineation for kind in order for delineation in delineations if delineation.source is kind]


def _nothing_to_use(delineations: Sequence[Delineation], source: MaskSource) -> str:
    wanted = "RTSTRUCT or SEG" if source is MaskSource.AUTO else source.value.upper()
    others = {d.source.value for d in delineations}
    hint = f" (--source {others.pop()} would use what there is)" if others else ""
    return f"there is a CT but no {wanted}{hint}"


def _by_patient(index: DicomIndex) -> dict[str, list[Delineation]]:
    """RTSTRUCT and SEG files by patient, copies of one file counted once."""
    found: dict[str, list[Delineation]] = defaultdict(list)
    for delineation in {d.sop_uid: d for d in index.delineations}.values():
        found[_owner(delineation, index)].append(delineation)
    return found


def _owner(delineation: Delineation, index: DicomIndex) -> str:
    """The patient of the CT that a file was drawn on: UIDs join the two, whatever it calls its patient."""
    named = [index.ct[series.uid][0] for series in delineation.series if series.uid in index.ct]
    return _patient(named[0] if named else delineation)


def _patient(entry: CtInstance | Delineation) -> str:
    return entry.patient_id or entry.study_uid


def _unreadable(file: Unreadable) -> Outcome:
    return Outcome(
        case_identifier(file.path.name), Status.FAILED, f"{file.path} cannot be read: {file.reason}"
    )
