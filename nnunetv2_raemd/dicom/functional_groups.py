"""Functional groups: what a file of many frames says of each of them (DICOM PS3.3 C.7.6.16)."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from nnunetv2_raemd.dicom.tag_values import sequence


@dataclass(frozen=True)
class FunctionalGroups:
    """What is said of one frame: its `own` groups, and those that it shares with all others."""

    own: Dataset
    shared: Dataset

    def find(self, keyword: str) -> Dataset | None:
        """The item of a group, None where there is none."""
        items = sequence(self.own, keyword) or sequence(self.shared, keyword)
        return items[0] if items else None

    def item(self, keyword: str) -> Dataset:
        """The item of a group, an empty one where there is none."""
        found = self.find(keyword)
        return Dataset() if found is None else found
