"""`raemd convert nsclc-radiomics`."""

from __future__ import annotations

from nnunetv2_raemd.commands.convert_archive import convert_archive
from nnunetv2_raemd.commands.convert_options import DatasetName, PatientConvertOptions
from nnunetv2_raemd.commands.nsclc_radiomics_options import PatientMasks
from nnunetv2_raemd.commands.shared_options import with_options_of


@with_options_of(PatientConvertOptions, PatientMasks)
def convert_nsclc_radiomics(
    chosen: PatientConvertOptions, masks: PatientMasks, *, name: DatasetName = "NSCLCRadiomics"
) -> None:
    """NSCLC-Radiomics (DICOM CT with RTSTRUCT or SEG) to $nnUNet_raw/DatasetXXX_NAME.

    Files are known by their headers: any folder layout will do. Bad cases are reported and left out, and the
    exit status is then 1. An interrupted run is continued by the same command.
    """
    from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.nsclc_radiomics_archive import (
        NsclcRadiomics,
    )

    convert_archive(NsclcRadiomics(masks.choice(), masks.excluded()), chosen, name=name)
