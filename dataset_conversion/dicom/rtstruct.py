"""Contours of structure sets (DICOM RTSTRUCT, PS3.3 C.8.8.6)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from nnunetv2_raemd.dataset_conversion.dicom.entries import Roi
from nnunetv2_raemd.dataset_conversion.dicom.files import describe, read_dataset, reading
from nnunetv2_raemd.dataset_conversion.dicom.values import sequence
from nnunetv2_raemd.dataset_conversion.rasterise.contours import (
    Contour,
    Rasterised,
    SliceStack,
    nothing_drawn,
    rasterise,
)
from nnunetv2_raemd.errors import UserError

_INCLUSIVE, _EXCLUSIVE = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"


def draw_rois(path: Path, rois: Sequence[Roi], stack: SliceStack) -> Rasterised:
    """Mask of the union of `rois` of the structure set in `path`; ROIs are found by number, not by order.

    Raises `UserError` where the file cannot be read or coordinates are no triples.
    """
    union = nothing_drawn(stack)
    with reading(path):
        dataset = read_dataset(path)
        for roi in rois:
            union.unite(_draw(_contours(dataset, roi), roi, stack))
    return union


def referenced_images(path: Path, rois: Sequence[Roi]) -> set[str]:
    """SOP instance UIDs of the images that the contours of `rois` say they were drawn on."""
    with reading(path):
        dataset = read_dataset(path)
        return {
            str(image.get("ReferencedSOPInstanceUID"))
            for roi in rois
            for contour in _contours(dataset, roi)
            for image in sequence(contour, "ContourImageSequence")
        }


def _contours(dataset: Dataset, roi: Roi) -> list[Dataset]:
    items = sequence(dataset, "ROIContourSequence")
    mine = [item for item in items if item.get("ReferencedROINumber") == roi.number]
    return [contour for item in mine for contour in sequence(item, "ContourSequence")]


def _draw(items: Sequence[Dataset], roi: Roi, stack: SliceStack) -> Rasterised:
    name = roi.names[0] if roi.names else f"ROI {roi.number}"
    contours: dict[str, list[Contour]] = {_INCLUSIVE: [], _EXCLUSIVE: []}
    not_closed: list[str] = []
    for number, item in enumerate(items, start=1):
        label, kind = f"{name}, contour {number}", str(item.get("ContourGeometricType"))
        if kind in contours:
            contours[kind].append(Contour(_points(item, label), label))
        else:
            not_closed.append(f"{label}: {kind} is not a closed contour")
    result = rasterise(contours[_INCLUSIVE], stack)
    result.unite(rasterise(contours[_EXCLUSIVE], stack, exclusive=True))
    result.ignored[:0] = not_closed
    return result


def _points(item: Dataset, label: str) -> np.ndarray:
    """(N, 3) in mm."""
    try:
        values = np.array(item.get("ContourData") or [], dtype=float).ravel()
        return values.reshape(-1, 3)
    except Exception as error:  # pydicom converts the text only now, and raises what that leads it to
        raise UserError(f"{label}: ContourData is not a list of x, y, z ({describe(error)})") from None
