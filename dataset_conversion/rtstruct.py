"""Structure sets (DICOM RTSTRUCT): which ROI is meant, and its contours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from nnunetv2_raemd.dataset_conversion.contours import Contour, Rasterised, SliceStack, rasterise
from nnunetv2_raemd.dataset_conversion.dicom_index import Roi, StructureSet, read_dataset
from nnunetv2_raemd.errors import UserError

_INCLUSIVE, _EXCLUSIVE = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"


@dataclass(frozen=True)
class RoiChoice:
    """Which ROI is the lesion: `pattern` must match a whole name, label or description, in any case.

    With `merge` all matching ROIs are united, otherwise exactly one must match.
    """

    pattern: str
    merge: bool = False

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise UserError(f"{self.pattern!r} is not a regular expression for an ROI: {error}") from error

    def of(self, structure_set: StructureSet) -> tuple[Roi, ...]:
        """The ROIs meant; raises `UserError` naming all there are where none matches, or too many."""
        matching = tuple(roi for roi in structure_set.rois if self._matches(roi))
        names = ", ".join(roi.names[0] if roi.names else f"number {roi.number}" for roi in structure_set.rois)
        if not matching:
            raise UserError(f"no ROI is called like {self.pattern!r}; there are: {names or 'none at all'}")
        if len(matching) > 1 and not self.merge:
            raise UserError(
                f"{len(matching)} ROIs are called like {self.pattern!r}, of {names}: merge or narrow"
            )
        return matching

    def _matches(self, roi: Roi) -> bool:
        return any(re.fullmatch(self.pattern, name, re.IGNORECASE) for name in roi.names)


def draw_rois(path: Path, rois: Sequence[Roi], stack: SliceStack) -> Rasterised:
    """Mask of the union of `rois` of the structure set in `path`; ROIs are found by number, not by order."""
    items = read_dataset(path).get("ROIContourSequence") or ()
    union = Rasterised(np.zeros((len(stack.positions_mm), *stack.shape), dtype=bool))
    for roi in rois:
        contours = [c for i in items if i.get("ReferencedROINumber") == roi.number for c in _sequence(i)]
        drawn = _draw(contours, roi, stack)
        union.mask |= drawn.mask
        union.problems += drawn.problems
    return union


def _sequence(item: Dataset) -> Sequence[Dataset]:
    return item.get("ContourSequence") or ()


def _draw(items: Sequence[Dataset], roi: Roi, stack: SliceStack) -> Rasterised:
    name = roi.names[0] if roi.names else f"ROI {roi.number}"
    contours: dict[str, list[Contour]] = {_INCLUSIVE: [], _EXCLUSIVE: []}
    problems: list[str] = []
    for number, item in enumerate(items, start=1):
        label, kind = f"{name}, contour {number}", str(item.get("ContourGeometricType"))
        if kind in contours:
            contours[kind].append(Contour(_points(item, label), label))
        else:
            problems.append(f"{label}: {kind} is not a closed contour")
    result = rasterise(contours[_INCLUSIVE], stack)
    if contours[_EXCLUSIVE]:
        exclusive = rasterise(contours[_EXCLUSIVE], stack, exclusive=True)
        result = Rasterised(result.mask | exclusive.mask, result.problems + exclusive.problems)
    return Rasterised(result.mask, problems + result.problems)


def _points(item: Dataset, label: str) -> np.ndarray:
    """(N, 3) in mm."""
    try:
        values = np.array(item.get("ContourData") or [], dtype=float).ravel()
        return values.reshape(-1, 3)
    except (TypeError, ValueError) as error:
        raise UserError(f"{label}: ContourData is not a list of x, y, z ({error})") from error
