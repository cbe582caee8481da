"""Regions that are called like the lesion and hold nothing: planning systems leave such behind."""

from __future__ import annotations

from dataclasses import replace

from nnunetv2_raemd.dicom.dicom_seg import segments_without_pixels
from nnunetv2_raemd.dicom.index_entries import Delineation
from nnunetv2_raemd.dicom.mask_source import MaskSource
from nnunetv2_raemd.dicom.roi_choice import RoiChoice
from nnunetv2_raemd.dicom.rtstruct import rois_without_contours


def without_empty_namesakes(delineation: Delineation, choice: RoiChoice) -> tuple[Delineation, list[str]]:
    """The file without regions that are called like the one chosen but hold nothing, and what was left out.

    Where several are drawn, or none, all stay.

    Raises:
        UserError: if several are called so and the file cannot be read.
    """
    called_so = choice.matching(delineation.rois)
    if len(called_so) < 2 or choice.merge:
        return delineation, []
    if delineation.source is MaskSource.SEG:
        empty, kind, part = segments_without_pixels(delineation.path, called_so), "segment", "pixel"
    else:
        empty, kind, part = rois_without_contours(delineation.path, called_so), "ROI", "contour"
    if len(called_so) - len(empty) != 1:
        return delineation, []
    notes = [f"{kind} number {roi.number} is called {roi.title} too and holds no {part}" for roi in empty]
    return replace(delineation, rois=tuple(roi for roi in delineation.rois if roi not in empty)), notes
