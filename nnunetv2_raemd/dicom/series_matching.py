"""Which CT series an RTSTRUCT or SEG was drawn on, and whether all of it is there: by UIDs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nnunetv2_raemd.dicom.dicom_index import DicomIndex
from nnunetv2_raemd.dicom.index_entries import (
    CtInstance,
    Delineation,
    ReferencedSeries,
    Roi,
    Unreadable,
)
from nnunetv2_raemd.dicom.mask_source import MaskSource
from nnunetv2_raemd.dicom.rtstruct import drawn_on
from nnunetv2_raemd.errors import UserError


class DamagedSeriesError(UserError):
    """Images of the series cannot be read: `files`."""

    def __init__(self, files: Sequence[Unreadable]) -> None:
        named = "; ".join(f"{file.path}: {file.reason}" for file in files)
        super().__init__(f"images of its CT series cannot be read: {named}")
        self.files = tuple(files)


@dataclass(frozen=True)
class SeriesMatch:
    """The CT images that regions were drawn on.

    listed: UIDs of the images that the file lists for the series.
    absent: how many of these are not among the input.
    """

    images: tuple[CtInstance, ...]
    listed: tuple[str, ...] = ()
    absent: int = 0
    notes: tuple[str, ...] = ()


def match_series(delineation: Delineation, rois: Sequence[Roi], index: DicomIndex) -> SeriesMatch:
    """The CT series that `rois` were drawn on.

    It is the one that the file names, of several the one whose images the contours of `rois` name; where it
    names none that is there, the patient's only one in the same frame of reference, or else the one whose
    images the contours name. Raises `UserError` where
    there is no such series or an ROI is in another frame of reference, `DamagedSeriesError` where an image of
    it cannot be read.
    """
    named = [series for series in delineation.series if series.uid in index.ct]
    candidates = named or _in_same_frame(delineation, index) or _by_contours(delineation, rois, index)
    series = _one_of(candidates, delineation, rois, index)
    images = index.ct[series.uid]
    absent = set(series.image_uids) - index.ct_image_uids
    damaged = [file for file in index.unreadable if _belongs(file, images, absent, index)]
    if damaged:
        raise DamagedSeriesError(damaged)
    notes = _frame_notes(series, images[0].frame_of_reference_uid, rois)
    if not named:
        why = "the one referenced is not there" if delineation.series else "the file references none"
        notes = (f"CT series taken by frame of reference or by the contours' images: {why}", *notes)
    return SeriesMatch(images, series.image_uids, len(absent), notes)


def _one_of(
    candidates: Sequence[ReferencedSeries], delineation: Delineation, rois: Sequence[Roi], index: DicomIndex
) -> ReferencedSeries:
    if len(candidates) > 1 and delineation.source is MaskSource.RTSTRUCT:
        images = drawn_on(delineation.path, rois)
        candidates = [s for s in candidates if images & _uids(index.ct[s.uid])] or candidates
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise UserError(
            f"it was drawn on {len(candidates)} CT series: {', '.join(s.uid for s in candidates)}"
        )
    wanted = ", ".join(series.uid for series in delineation.series) or "(none named)"
    raise UserError(f"the CT series it was drawn on is not among the input: {wanted}")


def _uids(images: Sequence[CtInstance]) -> set[str]:
    return {uid for image in images for uid in (image.uid, image.sop_uid)}


def _in_same_frame(delineation: Delineation, index: DicomIndex) -> list[ReferencedSeries]:
    """Series of the patient in a frame of reference of the file, with the images it lists anywhere."""
    listed = [uid for series in delineation.series for uid in series.image_uids]
    found = []
    for uid, images in index.ct.items():
        frame = images[0].frame_of_reference_uid
        same_patient = images[0].patient_id == delineation.patient_id
        if frame and frame in delineation.frame_of_reference_uids and same_patient:
            found.append(ReferencedSeries(uid, frame_of_reference_uid=frame))
    return [replace(found[0], image_uids=tuple(listed))] if len(found) == 1 else found


def _by_contours(delineation: Delineation, rois: Sequence[Roi], index: DicomIndex) -> list[ReferencedSeries]:
    """Series with images that the contours say they were drawn on."""
    if delineation.source is not MaskSource.RTSTRUCT:
        return []
    drawn = drawn_on(delineation.path, rois)
    return [ReferencedSeries(uid) for uid, images in index.ct.items() if drawn & _uids(images)]


def _frame_notes(series: ReferencedSeries, ct_frame: str, rois: Sequence[Roi]) -> tuple[str, ...]:
    """A file may give the CT another frame of reference than the CT has itself, but must keep to it."""
    for roi in rois:
        if roi.frame_of_reference_uid not in ("", ct_frame, series.frame_of_reference_uid):
            raise UserError(f"{roi.title} is drawn in another frame of reference than that of the CT")
    if ct_frame and series.frame_of_reference_uid not in ("", ct_frame):
        return ("the contours' file gives the CT series another frame of reference than it has",)
    return ()


def _belongs(file: Unreadable, images: Sequence[CtInstance], absent: set[str], index: DicomIndex) -> bool:
    """Whether an unreadable file is an image of this series, as far as is known.

    It is where its UID is one that the contours' file lists, or where it lies among images of this series
    only; among images of several series, where there is one missing.
    """
    if file.sop_uid in absent:
        return True
    series_there = index.series_by_folder.get(file.path.parent, set())
    here = images[0].series_uid in series_there
    return here and (len(series_there) == 1 or (bool(absent) and not file.sop_uid))
