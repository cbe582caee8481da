"""NSCLC-Radiomics as an archive to convert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.nsclc_radiomics_choices import (
    KNOWN_EXCLUSIONS,
)
from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.patient_case import MaskChoice
from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.patient_matching import (
    find_nsclc_radiomics_cases,
)
from nnunetv2_raemd.dataset_conversion.case import FoundCases
from nnunetv2_raemd.dataset_conversion.dataset_description import DatasetDescription
from nnunetv2_raemd.dicom.dicom_index import index_folder

DESCRIPTION = DatasetDescription(
    labels={"background": 0, "tumour": 1},
    description="NSCLC-Radiomics (Lung1): primary gross tumour volume of lung cancer in CT",
    source="NSCLC-Radiomics (Lung1), The Cancer Imaging Archive, https://doi.org/10.7937/K9/TCIA.2015.PF0M9REI",
    reference="Aerts et al., Nature Communications 5 (2014), https://doi.org/10.1038/ncomms5006",
    licence="CC BY-NC 3.0",
)


@dataclass(frozen=True)
class NsclcRadiomics:
    """NSCLC-Radiomics as an archive to convert; `excluded` maps patients to why they are left out."""

    choice: MaskChoice = field(default_factory=MaskChoice)
    excluded: Mapping[str, str] = field(default_factory=lambda: KNOWN_EXCLUSIONS)

    @property
    def description(self) -> DatasetDescription:
        return DESCRIPTION

    def settings(self) -> dict[str, Any]:
        return self.choice.settings()

    def find_cases(self, folder: Path, *, workers: int) -> FoundCases:
        """Reads the header of every file below `folder`."""
        index = index_folder(folder, workers=workers)
        return find_nsclc_radiomics_cases(index, choice=self.choice, excluded=self.excluded)
