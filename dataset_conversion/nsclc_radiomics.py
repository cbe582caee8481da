"""NSCLC-Radiomics (Lung1): DICOM CT series with the tumour contoured as GTV-1 in an RTSTRUCT.

Aerts et al., "Decoding tumour phenotype by noninvasive imaging using a quantitative radiomics approach",
Nature Communications 5 (2014).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import SimpleITK as sitk

from nnunetv2_raemd.dataset_conversion.case import (
    CaseExcludedError,
    ConversionPlan,
    LoadedCase,
    Outcome,
    Status,
    files_digest,
)
from nnunetv2_raemd.dataset_conversion.choices import DEFAULT_ROI, KNOWN_EXCLUSIONS, Irregular
from nnunetv2_raemd.dataset_conversion.contours import Rasterised
from nnunetv2_raemd.dataset_conversion.ct_series import CtSeries, order_series, read_hu, to_image
from nnunetv2_raemd.dataset_conversion.dicom_index import CtInstance, DicomIndex, StructureSet, Unreadable
from nnunetv2_raemd.dataset_conversion.nnunet_dataset import DatasetDescription, case_identifier
from nnunetv2_raemd.dataset_conversion.rtstruct import RoiChoice, draw_rois
from nnunetv2_raemd.dataset_conversion.slice_resampling import even_grid, resample_hu, resample_mask
from nnunetv2_raemd.errors import UserError

DESCRIPTION = DatasetDescription(
    foreground="tumour",
    description="NSCLC-Radiomics (Lung1): primary gross tumour volume of lung cancer in CT",
    reference="https://doi.org/10.7937/K9/TCIA.2015.PF0M9REI",
    licence="CC BY-NC 3.0",
)


@dataclass(frozen=True)
class MaskChoice:
    """The choices that decide what a case becomes."""

    roi: RoiChoice = field(default_factory=lambda: RoiChoice(DEFAULT_ROI))
    irregular: Irregular = Irregular.RESAMPLE

    def settings(self) -> dict[str, Any]:
        """The choices as the report and the dataset folder keep them."""
        return {
            "archive": "NSCLC-Radiomics",
            "source": "rtstruct",
            "roi": self.roi.pattern,
            "merge": self.roi.merge,
            "irregular": self.irregular.value,
        }


@dataclass(frozen=True)
class ContouredCt:
    """The CT series and the structure set of one patient."""

    case_id: str
    patient_id: str
    images: tuple[CtInstance, ...]
    structure_set: StructureSet
    choice: MaskChoice
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        return f"{len(self.images)} CT images, contours in {self.structure_set.path}"

    def fingerprint(self) -> str:
        files = [self.structure_set.path, *(image.path for image in self.images)]
        return files_digest(files, "rtstruct", self.choice)

    def load(self) -> LoadedCase:
        """CT in HU (int16) and the ROI's contours rasterised on its slices."""
        rois = self.choice.roi.of(self.structure_set)
        series = order_series(self.images)
        notes = [*self.notes, *series.notes]
        drawn = draw_rois(self.structure_set.path, rois, series.stack)
        _check_drawn(drawn)
        image, label = self._on_even_grid(series, drawn.mask, notes)
        details = {
            "series_uid": series.slices[0].series_uid,
            "structure_set_uid": self.structure_set.sop_uid,
            "sources": [f"{len(self.images)} CT images", self.structure_set.path.name],
            "mask_source": "rtstruct",
            "rois_used": [roi.names[0] for roi in rois],
            "rois_found": [roi.names[0] if roi.names else "" for roi in self.structure_set.rois],
            "checks": [*notes, *drawn.problems],
        }
        return LoadedCase(image, label, details)

    def _on_even_grid(
        self, series: CtSeries, mask: np.ndarray, notes: list[str]
    ) -> tuple[sitk.Image, sitk.Image]:
        if series.is_even:
            return _as_images(read_hu(series), mask, series, series.mean_distance_mm)
        if self.choice.irregular is Irregular.SKIP:
            raise CaseExcludedError(series.describe_gaps())
        if self.choice.irregular is Irregular.FAIL:
            raise UserError(f"{series.describe_gaps()} (--irregular resample would interpolate)")
        grid = even_grid(series.stack.heights_mm)
        notes.append(f"resampled to {grid.spacing_mm:.3f} mm: {series.describe_gaps()}")
        volume, mask = resample_hu(read_hu(series), grid), resample_mask(mask, grid)
        return _as_images(volume, mask, series, grid.spacing_mm)


def plan_nsclc_radiomics(
    index: DicomIndex,
    *,
    choice: MaskChoice,
    excluded: Mapping[str, str] = KNOWN_EXCLUSIONS,
) -> ConversionPlan:
    """One case per patient, structure sets and CT series matched by UIDs.

    `excluded` maps patients to the reason for leaving them out.
    """
    sets = _structure_sets_by_patient(index)
    patients = sorted({*sets, *(_patient(images[0]) for images in index.ct.values())})
    if not patients and not index.unreadable:
        raise UserError("There are no CT images and no RTSTRUCT among the input files.")
    planned: list[ContouredCt] = []
    rejected = [_unreadable(file) for file in index.unreadable]
    for patient in patients:
        try:
            if patient in excluded:
                raise CaseExcludedError(excluded[patient])
            planned.append(_plan_patient(patient, sets.get(patient, []), index, choice))
        except (UserError, CaseExcludedError) as error:
            status = Status.EXCLUDED if isinstance(error, CaseExcludedError) else Status.FAILED
            rejected.append(Outcome(case_identifier(patient), status, str(error), patient))
    cases, namesakes = _apart_from_namesakes(planned)
    return ConversionPlan(tuple(cases), (*rejected, *namesakes))


def _apart_from_namesakes(planned: Sequence[ContouredCt]) -> tuple[list[ContouredCt], list[Outcome]]:
    """Patients whose identifiers become the same file name would overwrite each other."""
    times = Counter(case.case_id for case in planned)
    reason = "another patient's identifier gives the same case name"
    return (
        [case for case in planned if times[case.case_id] == 1],
        [Outcome(c.case_id, Status.FAILED, reason, c.patient_id) for c in planned if times[c.case_id] > 1],
    )


def _plan_patient(
    patient: str, sets: Sequence[StructureSet], index: DicomIndex, choice: MaskChoice
) -> ContouredCt:
    usable, reasons = [], []
    for structure_set in sets:
        try:
            choice.roi.of(structure_set)
            usable.append((structure_set, *_series_of(structure_set, index)))
        except UserError as error:
            reasons.append(f"{structure_set.path.name}: {error}")
    if not usable:
        raise UserError("; ".join(reasons) or "there is a CT but no RTSTRUCT")
    if len(usable) > 1:
        files = ", ".join(str(structure_set.path) for structure_set, *_ in usable)
        raise UserError(f"{len(usable)} structure sets have the ROI; keep one of {files}")
    structure_set, series_uid, notes = usable[0]
    return ContouredCt(
        case_identifier(patient), patient, index.ct[series_uid], structure_set, choice, (*notes, *reasons)
    )


def _series_of(structure_set: StructureSet, index: DicomIndex) -> tuple[str, tuple[str, ...]]:
    """UID of the series that the contours were drawn on, and a note where it was not named."""
    named = [uid for uid in structure_set.series_uids if uid in index.ct]
    if len(named) == 1:
        return named[0], ()
    if named:
        raise UserError(f"the contours are on {len(named)} CT series")
    same_frame = [
        uid
        for uid, images in index.ct.items()
        if images[0].frame_of_reference_uid in structure_set.frame_of_reference_uids
        and images[0].patient_id == structure_set.patient_id
    ]
    if len(same_frame) == 1:
        return same_frame[0], ("CT series taken by frame of reference: the one referenced is not there",)
    wanted = ", ".join(structure_set.series_uids) or "(none named)"
    raise UserError(f"the CT series it was drawn on is not among the input: {wanted}")


def _structure_sets_by_patient(index: DicomIndex) -> dict[str, list[StructureSet]]:
    """Structure sets by patient, copies of one file counted once."""
    sets: dict[str, list[StructureSet]] = defaultdict(list)
    for structure_set in {s.sop_uid: s for s in index.structure_sets}.values():
        sets[_patient(structure_set)].append(structure_set)
    return sets


def _patient(entry: CtInstance | StructureSet) -> str:
    return entry.patient_id or entry.study_uid


def _unreadable(file: Unreadable) -> Outcome:
    return Outcome(
        case_identifier(file.path.name), Status.FAILED, f"{file.path} cannot be read: {file.reason}"
    )


def _check_drawn(drawn: Rasterised) -> None:
    if not drawn.mask.any():
        reason = "; ".join(drawn.problems[:3]) or "it has no contours"
        raise UserError(f"the mask is empty: {reason}")


def _as_images(
    volume: np.ndarray, mask: np.ndarray, series: CtSeries, distance_mm: float
) -> tuple[sitk.Image, sitk.Image]:
    return to_image(volume, series, distance_mm), to_image(mask.view(np.uint8), series, distance_mm)
