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
from nnunetv2_raemd.dataset_conversion.choices import (
    DEFAULT_ROI,
    KNOWN_EXCLUSIONS,
    Incomplete,
    Irregular,
    MaskSource,
)
from nnunetv2_raemd.dataset_conversion.dicom.ct_series import CtSeries, order_series, read_hu, to_image
from nnunetv2_raemd.dataset_conversion.dicom.entries import CtInstance, Delineation, Roi, Unreadable
from nnunetv2_raemd.dataset_conversion.dicom.index import DicomIndex
from nnunetv2_raemd.dataset_conversion.dicom.roi_choice import RoiChoice
from nnunetv2_raemd.dataset_conversion.dicom.rtstruct import draw_rois
from nnunetv2_raemd.dataset_conversion.dicom.segmentation import CtSlices, draw_segments, require_highdicom
from nnunetv2_raemd.dataset_conversion.dicom.series_matching import (
    DamagedSeriesError,
    SeriesMatch,
    match_series,
)
from nnunetv2_raemd.dataset_conversion.dicom.slice_resampling import even_grid, resample_hu, resample_mask
from nnunetv2_raemd.dataset_conversion.nnunet_dataset import DatasetDescription, case_identifier
from nnunetv2_raemd.dataset_conversion.rasterise.contours import Rasterised
from nnunetv2_raemd.errors import UserError

# Contours of missing slices are bridged by interpolation. With more of them than this part of all contours,
# the mask would be more guessed than drawn.
MOST_IN_GAPS = 0.1

DESCRIPTION = DatasetDescription(
    labels={"background": 0, "tumour": 1},
    description="NSCLC-Radiomics (Lung1): primary gross tumour volume of lung cancer in CT",
    source="NSCLC-Radiomics (Lung1), The Cancer Imaging Archive, https://doi.org/10.7937/K9/TCIA.2015.PF0M9REI",
    reference="Aerts et al., Nature Communications 5 (2014), https://doi.org/10.1038/ncomms5006",
    licence="CC BY-NC 3.0",
)


@dataclass(frozen=True)
class MaskChoice:
    """The choices that decide what a case becomes."""

    roi: RoiChoice = field(default_factory=lambda: RoiChoice(DEFAULT_ROI))
    irregular: Irregular = Irregular.RESAMPLE
    source: MaskSource = MaskSource.AUTO
    incomplete: Incomplete = Incomplete.FAIL

    def settings(self) -> dict[str, Any]:
        """The choices as the report and the dataset folder keep them."""
        return {
            "archive": "NSCLC-Radiomics",
            "source": self.source.value,
            "roi": self.roi.pattern,
            "merge": self.roi.merge,
            "irregular": self.irregular.value,
            "incomplete": self.incomplete.value,
        }


@dataclass(frozen=True)
class ContouredCt:
    """The CT series of one patient and the file that the mask comes from."""

    case_id: str
    patient_id: str
    ct: SeriesMatch
    delineation: Delineation
    choice: MaskChoice
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        return f"{len(self.ct.images)} CT images, {self.delineation.source.value} in {self.delineation.path}"

    def fingerprint(self) -> str:
        files = [self.delineation.path, *(image.path for image in self.ct.images)]
        return files_digest(files, self.choice, self.ct.absent)

    def load(self) -> LoadedCase:
        """CT in HU (int16) and the mask of the ROI on its slices."""
        rois = self.choice.roi.of(self.delineation.rois)
        series = order_series(self.ct.images)
        notes = [*self.notes, *series.notes, *self._absent(series)]
        drawn = self._draw(rois, series)
        _check_drawn(drawn, self.choice)
        image, label = self._on_even_grid(series, drawn.mask, notes)
        details = {
            "series_uid": series.slices[0].series_uid,
            "mask_uid": self.delineation.sop_uid,
            "sources": [f"{len(self.ct.images)} CT images", self.delineation.path.name],
            "mask_source": self.delineation.source.value,
            "rois_used": [roi.title for roi in rois],
            "rois_found": [roi.title for roi in self.delineation.rois],
            "checks": [*notes, *drawn.problems],
        }
        return LoadedCase(image, label, details)

    def _draw(self, rois: Sequence[Roi], series: CtSeries) -> Rasterised:
        if self.delineation.source is MaskSource.SEG:
            slices = CtSlices(series.stack, tuple(image.sop_uid for image in series.slices))
            return draw_segments(self.delineation.path, rois, slices)
        return draw_rois(self.delineation.path, rois, series.stack)

    def _absent(self, series: CtSeries) -> list[str]:
        """A note on images that should be there; gaps explain as many as would fill them, no more."""
        if not self.ct.absent:
            return []
        file = self.delineation.path.name
        note = f"{self.ct.absent} of {self.ct.listed} CT images that {file} lists are absent"
        if self.ct.absent > series.missing_in_gaps and self.choice.incomplete is Incomplete.FAIL:
            raise UserError(
                f"{note}, and the gaps between slices would hold {series.missing_in_gaps}: the series seems "
                "to be cut off; download it again (--incomplete keep converts what is there)"
            )
        return [note]

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
    """One case per patient, RTSTRUCT or SEG and CT series matched by UIDs.

    `excluded` maps patients to the reason for leaving them out.
    """
    if choice.source is MaskSource.SEG:
        require_highdicom()
    delineations = _by_patient(index)
    patients = sorted({*delineations, *(_patient(images[0]) for images in index.ct.values())})
    if not patients and not index.unreadable:
        raise UserError("There are no CT images and no RTSTRUCT or SEG among the input files.")
    planned: list[ContouredCt] = []
    rejected: list[Outcome] = []
    told: set[Unreadable] = set()
    for patient in patients:
        if patient in excluded:
            rejected.append(Outcome(case_identifier(patient), Status.EXCLUDED, excluded[patient], patient))
            continue
        try:
            planned.append(_plan_patient(patient, delineations.get(patient, []), index, choice))
        except UserError as error:
            rejected.append(Outcome(case_identifier(patient), Status.FAILED, str(error), patient))
            told |= error.damaged if isinstance(error, _NothingUsableError) else set()
    cases, namesakes = _apart_from_namesakes(planned)
    files = (_unreadable(file) for file in index.unreadable if file not in told)
    strangers = sorted(set(excluded).difference(patients, KNOWN_EXCLUSIONS, [""]))
    remarks = tuple(f"no patient to leave out is called {patient}" for patient in strangers)
    return ConversionPlan(tuple(cases), (*files, *rejected, *namesakes), remarks)


class _NothingUsableError(UserError):
    """Every file with the ROI was refused; `damaged` are the files that it tells of by name."""

    def __init__(self, refused: Sequence[tuple[Delineation, UserError]]) -> None:
        super().__init__("; ".join(_refusal(*one) for one in refused))
        self.damaged = {
            file for _, error in refused if isinstance(error, DamagedSeriesError) for file in error.files
        }


def _refusal(delineation: Delineation, error: UserError) -> str:
    return f"{delineation.path.name}: {error}"


def _apart_from_namesakes(planned: Sequence[ContouredCt]) -> tuple[list[ContouredCt], list[Outcome]]:
    """Patients whose identifiers become the same file name would overwrite each other."""
    times = Counter(case.case_id for case in planned)
    reason = "another patient's identifier gives the same case name"
    return (
        [case for case in planned if times[case.case_id] == 1],
        [Outcome(c.case_id, Status.FAILED, reason, c.patient_id) for c in planned if times[c.case_id] > 1],
    )


def _plan_patient(
    patient: str, delineations: Sequence[Delineation], index: DicomIndex, choice: MaskChoice
) -> ContouredCt:
    usable: list[tuple[Delineation, SeriesMatch]] = []
    refused: list[tuple[Delineation, UserError]] = []
    for delineation in _preferred(delineations, choice.source):
        if usable and usable[0][0].source is not delineation.source:
            break
        try:
            rois = choice.roi.of(delineation.rois)
            usable.append((delineation, match_series(delineation, rois, index)))
        except UserError as error:
            refused.append((delineation, error))
    if not usable:
        nothing = UserError(_nothing_to_use(delineations, choice.source))
        raise _NothingUsableError(refused) if refused else nothing
    if len(usable) > 1:
        files = ", ".join(str(delineation.path) for delineation, _ in usable)
        raise UserError(f"{len(usable)} {usable[0][0].source.value} files have the ROI; keep one of {files}")
    delineation, ct = usable[0]
    notes = (*ct.notes, *(_refusal(*one) for one in refused))
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


def _check_drawn(drawn: Rasterised, choice: MaskChoice) -> None:
    """Refuse an empty mask, and one that lacks contours unless such are to be kept."""
    if not drawn.mask.any():
        reason = "; ".join(drawn.problems[:3]) or "it has no contours"
        raise UserError(f"the mask is empty: {reason}")
    total = drawn.drawn + len(drawn.in_gaps) + len(drawn.lost)
    left_out = [*drawn.lost, *drawn.in_gaps]
    too_many = bool(drawn.lost) or len(drawn.in_gaps) > MOST_IN_GAPS * total
    if too_many and choice.incomplete is Incomplete.FAIL:
        raise UserError(
            f"the mask would lack {len(left_out)} of {total} contours: {'; '.join(left_out[:3])} "
            "(--incomplete keep converts what can be drawn)"
        )


def _as_images(
    volume: np.ndarray, mask: np.ndarray, series: CtSeries, distance_mm: float
) -> tuple[sitk.Image, sitk.Image]:
    return to_image(volume, series, distance_mm), to_image(mask.view(np.uint8), series, distance_mm)
