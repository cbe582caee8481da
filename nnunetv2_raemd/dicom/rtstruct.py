"""Contours of structure sets (DICOM RTSTRUCT, PS3.3 C.8.8.6)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from nnunetv2_raemd.dicom.dicom_files import describe, read_dataset, reading
from nnunetv2_raemd.dicom.image_attributes import referenced_images
from nnunetv2_raemd.dicom.index_entries import Roi
from nnunetv2_raemd.dicom.tag_values import number, sequence, text_of
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.rasterize.contours import (
    Contour,
    Rasterized,
    SliceStack,
    nothing_drawn,
    rasterize,
)

_SLAB = 1.5  # a slab of so many slices stands for more than one
_INCLUSIVE, _EXCLUSIVE = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"


def draw_rois(path: Path, rois: Sequence[Roi], stack: SliceStack, *, bridge: bool = False) -> Rasterized:
    """Mask of the union of `rois` of the structure set in `path`; ROIs are found by number, not by order.

    `bridge` interpolates between contours that are farther apart than slices, see `rasterize`.

    Raises `UserError` where the file cannot be read, coordinates are no triples, or another ROI has the same
    number.
    """
    union = nothing_drawn(stack)
    with reading(path):
        dataset = read_dataset(path)
        for roi in rois:
            _check_number_is_its_own(dataset, roi)
            union.unite(_draw(_contours(dataset, roi), roi, stack, bridge=bridge))
    return union


def rois_without_contours(path: Path, rois: Sequence[Roi]) -> list[Roi]:
    """Those of `rois` that hold no contour; raises as `draw_rois`."""
    with reading(path):
        dataset = read_dataset(path)
        return [roi for roi in rois if not _contours(dataset, roi)]


def drawn_on(path: Path, rois: Sequence[Roi]) -> set[str]:
    """The images that the contours of `rois` say they were drawn on, as `image_uid` has them."""
    with reading(path):
        dataset = read_dataset(path)
        return {
            uid
            for roi in rois
            for contour in _contours(dataset, roi)
            for image in sequence(contour, "ContourImageSequence")
            for uid in referenced_images(image)
        }


def _check_number_is_its_own(dataset: Dataset, roi: Roi) -> None:
    items = sequence(dataset, "StructureSetROISequence")
    names = {text_of(item.get("ROIName")) for item in items if item.get("ROINumber") == roi.number}
    if len(names) > 1:
        raise UserError(
            f"{' and '.join(sorted(names))} have the same ROI number ({roi.number}): nobody can tell whose "
            "contours are whose"
        )


def _contours(dataset: Dataset, roi: Roi) -> list[Dataset]:
    items = sequence(dataset, "ROIContourSequence")
    mine = [item for item in items if item.get("ReferencedROINumber") == roi.number]
    return [contour for item in mine for contour in sequence(item, "ContourSequence")]


def _draw(items: Sequence[Dataset], roi: Roi, stack: SliceStack, *, bridge: bool) -> Rasterized:
    name = roi.names[0] if roi.names else f"ROI {roi.number}"
    contours: dict[str, list[Contour]] = {_INCLUSIVE: [], _EXCLUSIVE: []}
    not_closed: list[str] = []
    cut_off: list[str] = []
    for place, item in enumerate(items, start=1):
        label, kind = f"{name}, contour {place}", str(item.get("ContourGeometricType"))
        if kind not in contours:
            not_closed.append(f"{label}: {kind} is not a closed contour")
            continue
        _check_not_offset(item, label)
        points = _points(item, label)
        if len(points) < (stated := int(number(item, "NumberOfContourPoints") or 0)):
            cut_off.append(f"{label}: it holds {len(points)} of the {stated} points that it should have")
        else:
            contours[kind].append(Contour(points, label))
    result = rasterize(contours[_INCLUSIVE], stack, bridge=bridge)
    result.unite(rasterize(contours[_EXCLUSIVE], stack, exclusive=True, bridge=bridge))
    result.notes += _about_slabs(items, name, stack)
    result.ignored[:0] = not_closed
    result.lost[:0] = cut_off
    return result


def _check_not_offset(item: Dataset, label: str) -> None:
    """Contours could stand for slabs beside them (DICOM PS3.3 2020 C.8.8.6.2); the side is disputed."""
    offset_mm = [float(value) for value in item.get("ContourOffsetVector") or ()]
    if any(offset_mm):
        shown = ", ".join(f"{mm:g}" for mm in offset_mm)
        raise UserError(
            f"{label}: its ContourOffsetVector, ({shown}) mm, moves it off its place, which DICOM no longer "
            "has: export the contours again without it"
        )


def _about_slabs(items: Sequence[Dataset], name: str, stack: SliceStack) -> list[str]:
    """That contours stand for more than the slice that they lie on, which is all that is drawn of them."""
    thickness_mm = max((number(item, "ContourSlabThickness") or 0 for item in items), default=0)
    if thickness_mm < _SLAB * stack.usual_distance_mm:
        return []
    return [
        f"{name}: its contours are said to be slabs of {thickness_mm:g} mm, and slices are "
        f"{stack.usual_distance_mm:g} mm apart: contours are drawn where they lie, not as slabs"
    ]


def _points(item: Dataset, label: str) -> np.ndarray:
    """(N, 3) in mm."""
    try:
        return np.array(_coordinates(item), dtype=float).reshape(-1, 3)
    except ValueError as error:
        raise UserError(f"{label}: ContourData is not a list of x, y, z ({describe(error)})") from None


def _coordinates(item: Dataset) -> Sequence[float]:
    """The numbers of ContourData.

    Raises:
        ValueError: if they are none.
    """
    element = item.get_item("ContourData")
    if not isinstance(element, RawDataElement):
        return [] if element is None or element.value is None else element.value
    # the text as it is in the file: pydicom would make an object of each number, which takes far longer
    text = (element.value or b"").rstrip(b" \0")
    return [float(number) for number in text.split(b"\\")] if text else []
