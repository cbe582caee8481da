"""Which CT series of a folder are predicted.

The rule: of each study one series, unless series are named. It must be a CT of at least two images across the
patient's long axis (no localizers, no reformats along it). Among those that cover most of the length of the
longest, it is the one whose slices are spaced most like those of the training; of equals the one with the
most images, then the one with the lowest UID.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import is_zipfile

import pydicom

from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.dicom.ct_series import CtSeries, order_series
from nnunetv2_raemd.dicom.dicom_files import check_can_be_opened, discreet_reading
from nnunetv2_raemd.dicom.dicom_index import DicomIndex
from nnunetv2_raemd.dicom.index_entries import CtInstance, Unreadable
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.source_files import files_below

AXIAL = 0.7  # at least this much of the slices' normal runs along the patient (45 degrees)
COVERS = 0.9  # of the length of the longest series
_FILES_LOOKED_AT = 500  # to say what there is in the place of CT


@dataclass(frozen=True)
class ChosenSeries:
    """A series to predict; `remarks` are about the choice and the input."""

    series: CtSeries
    remarks: tuple[str, ...] = ()

    @property
    def uid(self) -> str:
        """SeriesInstanceUID, by which the case goes."""
        return self.series.slices[0].series_uid


@dataclass(frozen=True)
class SeriesChoice:
    """What is predicted, and why other things are not.

    Attributes:
        problems: what should have been predicted and cannot be.
        remarks: on the input as a whole.
    """

    chosen: tuple[ChosenSeries, ...]
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """Which series are asked for.

    Attributes:
        uids: series named by the user; none for the rule above.
        slice_distance_mm: that of the training.
        part: which of `parts` shares of the chosen series.
    """

    uids: tuple[str, ...] = ()
    slice_distance_mm: float = 1.0
    part: int = 0
    parts: int = 1


def choose_series(index: DicomIndex, wanted: Wanted, folder: Path) -> SeriesChoice:
    """Choose among the CT series of `index`, which was made of `folder`.

    Raises:
        UserError: if there is no CT at all, or a series named is not there.
    """
    if not index.ct:
        raise UserError(_no_ct(index, folder))
    if unknown := sorted(set(wanted.uids) - set(index.ct)):
        raise UserError(
            f"{folder} has no CT series {', '.join(unknown)}; it has {', '.join(sorted(index.ct))}"
        )
    chosen: list[ChosenSeries] = []
    problems: list[str] = []
    for images in _candidates(index, wanted):
        found, bad = _of_study(images, wanted, index)
        chosen += found
        problems += bad
    return SeriesChoice(tuple(chosen[wanted.part :: wanted.parts]), tuple(problems), _remarks(index))


def _candidates(index: DicomIndex, wanted: Wanted) -> list[list[tuple[CtInstance, ...]]]:
    """The series to choose one of, for each choice: those of a study, or each of those named."""
    if wanted.uids:
        return [[index.ct[uid]] for uid in wanted.uids]
    studies: dict[tuple[str, str], list[tuple[CtInstance, ...]]] = defaultdict(list)
    for uid, images in index.ct.items():
        # de-identification may leave patients the same study UID, or none
        studies[images[0].study_uid or uid, images[0].patient_id].append(images)
    return [studies[study] for study in sorted(studies)]


def _of_study(
    candidates: Sequence[tuple[CtInstance, ...]], wanted: Wanted, index: DicomIndex
) -> tuple[list[ChosenSeries], list[str]]:
    usable: list[CtSeries] = []
    refused: dict[str, str] = {}
    for images in candidates:
        uid = images[0].series_uid
        try:
            usable.append(_usable(images, index, any_orientation=bool(wanted.uids)))
        except UserError as error:
            refused[uid] = str(error)
    if not usable:
        return [], [f"series {uid}: {reason}" for uid, reason in refused.items()]
    best = _best(usable, wanted.slice_distance_mm)
    remarks = [f"series {uid} of the study is not used: {reason}" for uid, reason in refused.items()]
    others = [series for series in usable if series is not best]
    remarks += [
        f"series {_uid(other)} of the study is not predicted ({len(other.slices)} slices, "
        f"{other.stack.usual_distance_mm:.2f} mm apart; chosen were {len(best.slices)}, "
        f"{best.stack.usual_distance_mm:.2f} mm apart): name it with --series to predict it"
        for other in others
    ]
    return [ChosenSeries(best, (*remarks, *best.notes))], []


def _usable(images: Sequence[CtInstance], index: DicomIndex, *, any_orientation: bool) -> CtSeries:
    """The ordered series; raises `UserError` where it is not one to predict."""
    series = order_series(images)
    if damaged := _damaged(images, index, series):
        named = "; ".join(f"{file.path}: {file.reason}" for file in damaged)
        raise UserError(f"files beside its images cannot be read, and may be slices of it: {named}")
    if not any_orientation and abs(series.stack.normal[2]) < AXIAL:
        raise UserError("its slices do not lie across the patient's long axis")
    return series


def _damaged(images: Sequence[CtInstance], index: DicomIndex, series: CtSeries) -> list[Unreadable]:
    """Unreadable files that may be images of the series: they lie among its images only, or it has gaps."""
    folders = {image.path.parent for image in images}
    beside = [file for file in index.unreadable if file.path.parent in folders]
    return [
        file
        for file in beside
        if len(index.series_by_folder[file.path.parent]) == 1 or series.missing_in_gaps
    ]


def _best(usable: Sequence[CtSeries], slice_distance_mm: float) -> CtSeries:
    longest = max(_length_mm(series) for series in usable)
    long_enough = [series for series in usable if _length_mm(series) >= COVERS * longest]

    def rank(series: CtSeries) -> tuple[float, int, str]:
        away = abs(math.log(series.stack.usual_distance_mm / slice_distance_mm))
        return round(away, 2), -len(series.slices), _uid(series)

    return min(long_enough, key=rank)


def _length_mm(series: CtSeries) -> float:
    return float(series.gaps_mm.sum())


def _uid(series: CtSeries) -> str:
    return series.slices[0].series_uid


def _remarks(index: DicomIndex) -> tuple[str, ...]:
    images = [images[0] for images in index.ct.values()]
    remarks = []
    if len(patients := {image.patient_id for image in images}) > 1:
        remarks.append(f"the input holds {len(patients)} patients; each study is a case of its own")
    if index.unreadable:
        shown = "; ".join(f"{file.path}: {file.reason}" for file in index.unreadable[:5])
        more = f" and {len(index.unreadable) - 5} more" if len(index.unreadable) > 5 else ""
        remarks.append(f"{counted(len(index.unreadable), 'file')} cannot be read: {shown}{more}")
    return tuple(remarks)


def _no_ct(index: DicomIndex, folder: Path) -> str:
    if index.unreadable:
        first = index.unreadable[0]
        return f"no CT image in {folder} can be read; {first.path}: {first.reason}"
    files = files_below(folder)
    kinds = Counter(_modality(file) for file in files[:_FILES_LOOKED_AT])
    what = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common(5))
    looked_at = f", of the first {_FILES_LOOKED_AT}" if len(files) > _FILES_LOOKED_AT else ""
    return f"{folder} holds no CT image among {counted(len(files), 'file')}{looked_at}: {what}"


@discreet_reading()
def _modality(file: Path) -> str:
    try:
        check_can_be_opened(file)
        header = pydicom.dcmread(file, specific_tags=["Modality"], stop_before_pixels=True)
        return str(header.get("Modality") or "DICOM without modality")[:16]
    except Exception:  # whatever a file that is no DICOM leads pydicom to
        return "zip file (unpack it first)" if is_zipfile(file) else "not DICOM"
