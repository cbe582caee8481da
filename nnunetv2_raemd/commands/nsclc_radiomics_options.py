"""The options of `raemd convert nsclc-radiomics` that are about masks; the fields are options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.nsclc_radiomics_choices import (
    DEFAULT_ROI,
    KNOWN_EXCLUSIONS,
    GantryTilt,
    Incomplete,
    Irregular,
    SparseContours,
)
from nnunetv2_raemd.dicom.mask_source import MaskSource

if TYPE_CHECKING:
    from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.patient_case import MaskChoice


@dataclass(frozen=True)
class PatientMasks:
    """Where masks come from, whose, and what to do with those that are not as they should be."""

    source: Annotated[
        MaskSource,
        typer.Option(
            help="Where masks come from; auto: RTSTRUCT, or SEG for patients without a usable RTSTRUCT."
        ),
    ] = MaskSource.AUTO
    roi: Annotated[
        str,
        typer.Option(
            help="Regular expression for the whole name, label, description or coded type of the ROI or "
            "segment; case is ignored."
        ),
    ] = DEFAULT_ROI
    merge: Annotated[bool, typer.Option("--merge", help="Unite all ROIs that --roi matches.")] = False
    irregular: Annotated[
        Irregular, typer.Option(help="What to do where slices are missing or unevenly spaced.")
    ] = Irregular.RESAMPLE
    incomplete: Annotated[
        Incomplete,
        typer.Option(
            help="What to do where CT images that the contours' file lists are absent, or contours cannot be "
            "drawn."
        ),
    ] = Incomplete.FAIL
    gantry_tilt: Annotated[
        GantryTilt,
        typer.Option(
            help="What to do with a CT taken with a tilted gantry: move its slices onto an upright grid, or "
            "refuse it."
        ),
    ] = GantryTilt.RESAMPLE
    sparse_contours: Annotated[
        SparseContours,
        typer.Option(
            help="What to do with contours drawn farther apart than the slices: count the patient as failed, "
            "or interpolate the mask between them."
        ),
    ] = SparseContours.FAIL
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            help="Patient to leave out; repeatable. Replaces the list of known ones (LUNG1-128); give '' to "
            "leave out none."
        ),
    ] = None

    def choice(self) -> MaskChoice:
        """As the conversion takes it."""
        from nnunetv2_raemd.dataset_conversion.archives.nsclc_radiomics.patient_case import MaskChoice
        from nnunetv2_raemd.dicom.roi_choice import RoiChoice

        return MaskChoice(
            RoiChoice(self.roi, self.merge),
            self.irregular,
            self.source,
            self.incomplete,
            self.gantry_tilt,
            self.sparse_contours,
        )

    def excluded(self) -> Mapping[str, str]:
        """The reason for each patient that is left out."""
        return dict.fromkeys(self.exclude, "asked for by --exclude") if self.exclude else KNOWN_EXCLUSIONS
