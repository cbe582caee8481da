"""The CT and the tumour of one patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.nsclc_radiomics_choices import (
    DEFAULT_ROI,
    GantryTilt,
    Incomplete,
    Irregular,
    SparseContours,
)
from nnunetv2_raemd.dataset_conversion.case import CaseExcludedError, LoadedCase, files_digest
from nnunetv2_raemd.dicom.ct_series import CtSeries, order_series, read_hu, to_image
from nnunetv2_raemd.dicom.dicom_seg import CtSlices, draw_segments
from nnunetv2_raemd.dicom.gantry_tilt import mask_upright
from nnunetv2_raemd.dicom.image_groups import References
from nnunetv2_raemd.dicom.index_entries import Delineation, Roi
from nnunetv2_raemd.dicom.mask_source import MaskSource
from nnunetv2_raemd.dicom.roi_choice import RoiChoice
from nnunetv2_raemd.dicom.rtstruct import draw_rois, drawn_on
from nnunetv2_raemd.dicom.series_matching import SeriesMatch
from nnunetv2_raemd.dicom.slice_resampling import even_grid, resample_hu, resample_mask
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.rasterize.contours import Rasterized
from nnunetv2_raemd.volumes.hu_values import unlike_hu

# Contours of missing slices are bridged by interpolation. With more of them than this part of all contours,
# the mask would be more guessed than drawn.
MOST_IN_GAPS = 0.1


@dataclass(frozen=True)
class MaskChoice:
    """The choices that decide what a case becomes."""

    roi: RoiChoice = field(default_factory=lambda: RoiChoice(DEFAULT_ROI))
    irregular: Irregular = Irregular.RESAMPLE
    source: MaskSource = MaskSource.AUTO
    incomplete: Incomplete = Incomplete.FAIL
    gantry_tilt: GantryTilt = GantryTilt.RESAMPLE
    sparse_contours: SparseContours = SparseContours.FAIL

    def settings(self) -> dict[str, Any]:
        """The choices as the report and the dataset folder keep them."""
        return {
            "archive": "NSCLC-Radiomics",
            "source": self.source.value,
            "roi": self.roi.pattern,
            "merge": self.roi.merge,
            "irregular": self.irregular.value,
            "incomplete": self.incomplete.value,
            "gantry_tilt": self.gantry_tilt.value,
            "sparse_contours": self.sparse_contours.value,
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

    def sources(self) -> tuple[Path, ...]:
        return self.delineation.path, *{image.path for image in self.ct.images}

    def fingerprint(self) -> str:
        return files_digest(self.sources(), self.choice, self.ct.absent)

    def load(self) -> LoadedCase:
        """CT in HU (int16) and the mask of the ROI on its slices."""
        rois = self.choice.roi.of(self.delineation.rois)
        series = order_series(self.ct.images, self._references(rois))
        notes = [*self.notes, *series.notes, *self._absent(series), *self._tilt(series)]
        drawn = self._draw(rois, series)
        _check_drawn(drawn, self.choice)
        image, label = self._on_even_grid(series, drawn.mask, notes)
        if (why := unlike_hu(sitk.GetArrayViewFromImage(image))) is not None:
            notes.append(why)
        details = {
            "series_uid": series.slices[0].series_uid,
            "mask_uid": self.delineation.sop_uid,
            "sources": [f"{len(series.slices)} CT images", self.delineation.path.name],
            "mask_source": self.delineation.source.value,
            "rois_used": [roi.title for roi in rois],
            "rois_found": [roi.title for roi in self.delineation.rois],
            "checks": [*notes, *drawn.notes, *drawn.problems],
        }
        return LoadedCase(image, label, details)

    def _references(self, rois: Sequence[Roi]) -> References:
        """Of the images that the file lists, and where it helps those that its contours name."""
        if self.delineation.source is MaskSource.SEG:
            return References(self.ct.listed)
        return References(self.ct.listed, lambda: drawn_on(self.delineation.path, rois))

    def _draw(self, rois: Sequence[Roi], series: CtSeries) -> Rasterized:
        """The mask on the slices of `series.upright`."""
        if self.delineation.source is not MaskSource.SEG:
            bridge = self.choice.sparse_contours is SparseContours.INTERPOLATE
            return draw_rois(self.delineation.path, rois, series.upright, bridge=bridge)
        slices = CtSlices(series.stack, tuple(image.uid for image in series.slices))
        drawn = draw_segments(self.delineation.path, rois, slices)
        return replace(drawn, mask=mask_upright(drawn.mask, series.stack)) if series.is_tilted else drawn

    def _tilt(self, series: CtSeries) -> list[str]:
        if not series.is_tilted:
            return []
        if self.choice.gantry_tilt is GantryTilt.REFUSE:
            raise UserError(f"{series.describe_tilt()} (--gantry-tilt resample would bring it upright)")
        return [f"{series.describe_tilt()}: slices moved in their plane onto an upright grid"]

    def _absent(self, series: CtSeries) -> list[str]:
        """A note on images that should be there; gaps explain as many as would fill them, no more."""
        if not self.ct.absent:
            return []
        file = self.delineation.path.name
        note = f"{self.ct.absent} of {len(self.ct.listed)} CT images that {file} lists are absent"
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
        grid = even_grid(series.upright.heights_mm)
        notes.append(f"resampled to {grid.spacing_mm:.3f} mm: {series.describe_gaps()}")
        volume, mask = resample_hu(read_hu(series), grid), resample_mask(mask, grid)
        return _as_images(volume, mask, series, grid.spacing_mm)


def _check_drawn(drawn: Rasterized, choice: MaskChoice) -> None:
    """Refuse an empty mask, and one that lacks contours or slices unless such are to be kept."""
    if not drawn.mask.any():
        reason = "; ".join(drawn.problems[:3]) or "it has no contours"
        raise UserError(f"the mask is empty: {reason}")
    if drawn.sparse:
        raise UserError(
            f"{drawn.sparse[0]}: the mask would be empty between them (--sparse-contours interpolate "
            "fills it)"
        )
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
