"""Phantoms laid out as NSCLC-Radiomics: one study per patient with a CT series and a structure set.

Layout: `NSCLC-Radiomics/LUNG1-001/<StudyInstanceUID>/<SeriesInstanceUID>/1-001.dcm`, as the Cancer Imaging
Archive's downloads have it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.phantom.dicom_ct import DicomCase, write_ct_series
from nnunetv2_raemd.phantom.dicom_rtstruct import write_rtstruct
from nnunetv2_raemd.phantom.phantom_archive import ORACLE_FOLDER, CaseRecord
from nnunetv2_raemd.phantom.thorax import LEFT_LUNG, RIGHT_LUNG, Thorax
from nnunetv2_raemd.phantom.world import as_image, lesion_records, patient_origin_mm, write_image

COLLECTION = "NSCLC-Radiomics"
TUMOUR = "GTV-1"


class NsclcRadiomicsLayout:
    """Writes DICOM studies below `NSCLC-Radiomics` and the oracle beside them."""

    name = "nsclc-radiomics"

    def case_id(self, seed: int, case: int) -> str:
        """The PatientID."""
        return f"LUNG1-{case + 1:03d}"

    def write_case(self, folder: Path, thorax: Thorax, seed: int, case: int) -> CaseRecord:
        """Write CT series, structure set and oracle mask of the tumour."""
        patient = self.case_id(seed, case)
        study = DicomCase(
            patient_id=patient,
            origin_mm=patient_origin_mm(thorax, seed, case),
            spacing_mm=thorax.spacing_mm,
            slices=len(thorax.hu),
            entropy=("raemd phantom", self.name, str(seed), patient),
        )
        study_folder = folder / COLLECTION / patient / study.uid("study")
        write_ct_series(study_folder / study.uid("ct"), thorax, study)
        write_rtstruct(study_folder / study.uid("rtstruct") / "1-1.dcm", study, _rois(thorax))
        oracle = as_image((thorax.lesion_labels > 0).astype(np.uint8), thorax, study.origin_mm)
        write_image(oracle, folder / ORACLE_FOLDER / f"{patient}.nii.gz", compressed=True)
        return {"id": patient, "case": case, "lesions": lesion_records(thorax, oracle)}

    def finish(self, folder: Path, records: list[CaseRecord]) -> None:
        """The archive keeps nothing for all cases together."""


def _rois(thorax: Thorax) -> dict[str, NDArray[np.bool_]]:
    """The regions in the archive's order, the tumour last; organs outside the scan are left out."""
    lesion = thorax.lesion_labels > 0
    rois = {
        "Lung-Right": (thorax.lung_labels == RIGHT_LUNG) & ~lesion,
        "Lung-Left": (thorax.lung_labels == LEFT_LUNG) & ~lesion,
        **thorax.organs,
        TUMOUR: lesion,
    }
    return {name: mask for name, mask in rois.items() if mask.any()}
