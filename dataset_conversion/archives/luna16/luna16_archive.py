"""LUNA16 as an archive to convert: scans, their masks and, where wanted, their lungs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_choices import LungUse
from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_scans import DESCRIPTION, find_luna16_cases
from nnunetv2_raemd.dataset_conversion.archives.luna16.lung_masks import (
    LungChoice,
    describe_lung_class,
    find_lung_masks,
    with_lungs,
)
from nnunetv2_raemd.dataset_conversion.archives.luna16.mask_sources import MaskKind
from nnunetv2_raemd.dataset_conversion.case import FoundCases
from nnunetv2_raemd.dataset_conversion.dataset_description import DatasetDescription


@dataclass(frozen=True)
class Luna16:
    """LUNA16 with nodule masks of one kind.

    annotations: the CSV file of the nodules; by default the one in the download.
    lungs: what to do with the lung masks; by default nothing.
    lungs_folder: where these are; by default below a folder seg-lungs... in the download.
    """

    masks: MaskKind
    annotations: Path | None = None
    lungs: LungChoice | None = None
    lungs_folder: Path | None = None

    @property
    def description(self) -> DatasetDescription:
        about = replace(DESCRIPTION, labels=self.masks.labels)
        has_lung_class = self.lungs is not None and self.lungs.use is LungUse.CLASS
        return describe_lung_class(about) if has_lung_class else about

    def settings(self) -> dict[str, Any]:
        lungs = {} if self.lungs is None else self.lungs.settings()
        return {"archive": "LUNA16", **self.masks.settings(), **lungs}

    def find_cases(self, folder: Path, *, workers: int) -> FoundCases:
        """See `find_luna16_cases`, `find_lung_masks`; files are looked for by one process."""
        found = find_luna16_cases(folder, self.masks, annotations=self.annotations)
        if self.lungs is None:
            return found
        elsewhere = self.lungs_folder is not None
        return with_lungs(found, find_lung_masks(self.lungs_folder or folder, anywhere=elsewhere), self.lungs)
