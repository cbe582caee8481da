"""Which of the regions of an RTSTRUCT or a SEG is the lesion."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_raemd.dicom.index_entries import Roi
from nnunetv2_raemd.errors import UserError


@dataclass(frozen=True)
class RoiChoice:
    """Which ROI is the lesion: `pattern` must match a whole name, in any case.

    A region is called by its name, and by labels, descriptions and its coded type; these count only where
    nothing has a name that matches. With `merge` all that match in any way are united, otherwise exactly one
    must match.
    """

    pattern: str
    merge: bool = False

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise UserError(f"{self.pattern!r} is not a regular expression for an ROI: {error}") from error

    def of(self, rois: Sequence[Roi]) -> tuple[Roi, ...]:
        """The ROIs meant; raises `UserError` naming all there are where none matches, or too many."""
        chosen = self.matching(rois)
        names = ", ".join(roi.title for roi in rois) or "none at all"
        if not chosen:
            raise UserError(f"no ROI matches {self.pattern!r}; there are: {names}")
        if len(chosen) > 1 and not self.merge:
            raise UserError(f"{len(chosen)} ROIs match {self.pattern!r}, of {names}: merge or narrow")
        return chosen

    def matching(self, rois: Sequence[Roi]) -> tuple[Roi, ...]:
        """The ROIs that are called so, however many."""
        matching = tuple(roi for roi in rois if any(map(self._matches, roi.names)))
        by_name = tuple(roi for roi in matching if self._matches(roi.names[0]))
        return matching if self.merge else by_name or matching

    def _matches(self, name: str) -> bool:
        return re.fullmatch(self.pattern, name, re.IGNORECASE) is not None
