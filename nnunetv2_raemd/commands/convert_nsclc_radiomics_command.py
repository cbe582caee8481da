"""`raemd convert nsclc-radiomics`."""

from __future__ import annotations

from typing import Annotated

import typer

from nnunetv2_raemd.commands.convert_archive import convert_archive
from nnunetv2_raemd.commands.convert_options import DatasetName, PatientConvertOptions
from nnunetv2_raemd.commands.shared_options import with_options_of
from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.nsclc_radiomics_choices import (
    DEFAULT_ROI,
    KNOWN_EXCLUSIONS,
    GantryTilt,
    Incomplete,
    Irregular,
    SparseContours,
)
from nnunetv2_raemd.dicom.mask_source import MaskSource


@with_options_of(PatientConvertOptions)
def convert_nsclc_radiomics(
    chosen: PatientConvertOptions,
    *,
    name: DatasetName = "NSCLCRadiomics",
    source: Annotated[
        MaskSource,
        typer.Option(
            help="Where masks come from; auto: RTSTRUCT, or SEG for patients without a usable RTSTRUCT."
        ),
    ] = MaskSource.AUTO,
    roi: Annotated[
        str,
        typer.Option(
            help="Regular expression for the whole name, label, description or coded type of the ROI or "
            "segment; case is ignored."
        ),
    ] = DEFAULT_ROI,
    merge: Annotated[bool, typer.Option("--merge", help="Unite all ROIs that --roi matches.")] = False,
    irregular: Annotated[
        Irregular, typer.Option(help="What to do where slices are missing or unevenly spaced.")
    ] = Irregular.RESAMPLE,
    incomplete: Annotated[
        Incomplete,
        typer.Option(
            help="What to do where CT images that the contours' file lists are absent, or contours cannot be "
            "drawn."
        ),
    ] = Incomplete.FAIL,
    gantry_tilt: Annotated[
        GantryTilt,
        typer.Option(
            help="What to do with a CT taken with a tilted gantry: move its slices onto an upright grid, or "
            "refuse it."
        ),
    ] = GantryTilt.RESAMPLE,
    sparse_contours: Annotated[
        SparseContours,
        typer.Option(
            help="What to do with contours drawn farther apart than the slices: count the patient as failed, "
            "or interpolate the mask between them."
        ),
    ] = SparseContours.FAIL,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            help="Patient to leave out; repeatable. Replaces the list of known ones (LUNG1-128); give '' to "
            "leave out none."
        ),
    ] = None,
) -> None:
    """NSCLC-Radiomics (DICOM CT with RTSTRUCT or SEG) to $nnUNet_raw/DatasetXXX_NAME.

    Files are known by their headers: any folder layout will do. Bad cases are reported and left out, and the
    exit status is then 1. An interrupted run is continued by the same command.
    """
    from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.nsclc_radiomics_archive import (
        NsclcRadiomics,
    )
    from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.patient_case import MaskChoice
    from nnunetv2_raemd.dicom.roi_choice import RoiChoice

    excluded = dict.fromkeys(exclude, "asked for by --exclude") if exclude else KNOWN_EXCLUSIONS
    choice = MaskChoice(RoiChoice(roi, merge), irregular, source, incomplete, gantry_tilt, sparse_contours)
    convert_archive(NsclcRadiomics(choice, excluded), chosen, name=name)
