"""`raemd phantom`: one subcommand an archive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from nnunetv2_raemd.commands.help_lines import Group
from nnunetv2_raemd.commands.several_values import SeveralValuesCommand
from nnunetv2_raemd.phantom.configuration import LUNA16, NSCLC_RADIOMICS

app = typer.Typer(
    cls=Group,
    help="Make synthetic thorax CT with exact masks, laid out as a public archive.",
    no_args_is_help=True,
)

PhantomOutput = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="FOLDER", help="Folder to write; one that is unfinished is continued."
    ),
]
PhantomCases = Annotated[int, typer.Option("--cases", "-n", min=1, help="Number of scans.")]
PhantomSeed = Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")]
PhantomShape = Annotated[
    tuple[int, int, int], typer.Option(metavar="Z Y X", help="Slices, rows and columns of a scan.")
]
PhantomSpacing = Annotated[
    tuple[float, float, float],
    typer.Option(metavar="Z Y X", help="Slice distance, row and column spacing in mm."),
]
PhantomDiameter = Annotated[
    tuple[float, float], typer.Option(metavar="MIN MAX", help="Range of lesion diameters in mm.")
]
PhantomVessels = Annotated[
    tuple[int, int],
    typer.Option(
        metavar="MIN MAX", help="Fewest and most vessels per lung that look like nodules in one slice."
    ),
]
PhantomNoise = Annotated[float, typer.Option(min=0, help="Standard deviation of the noise in HU.")]
PhantomOverwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an existing phantom; never anything else.")
]


@app.command("luna16", cls=SeveralValuesCommand, short_help="Lung nodules, laid out as LUNA16.")
def phantom_luna16(
    *,
    output: PhantomOutput,
    cases: PhantomCases = 20,
    seed: PhantomSeed = LUNA16.seed,
    shape: PhantomShape = LUNA16.shape,
    spacing: PhantomSpacing = LUNA16.spacing_mm,
    nodules: Annotated[
        tuple[int, int], typer.Option(metavar="MIN MAX", help="Fewest and most nodules per scan.")
    ] = LUNA16.lesion_count,
    diameter: PhantomDiameter = LUNA16.lesion_diameter_mm,
    vessels: PhantomVessels = LUNA16.trunk_count,
    noise: PhantomNoise = LUNA16.noise_hu,
    overwrite: PhantomOverwrite = False,
) -> None:
    """Lung nodules as LUNA16: subsetN/*.mhd, annotations.csv, seg-lungs-LUNA16, and exact masks in oracle.

    lidc-xml holds contours round these masks, as LIDC's readers would have drawn them.
    """
    from nnunetv2_raemd.phantom.luna16_writer import Luna16Layout
    from nnunetv2_raemd.phantom.phantom_terminal import make_archive

    configuration = replace(
        LUNA16,
        seed=seed,
        shape=shape,
        spacing_mm=spacing,
        lesion_count=nodules,
        lesion_diameter_mm=diameter,
        trunk_count=vessels,
        noise_hu=noise,
    )
    make_archive(output, Luna16Layout(), configuration, cases, overwrite=overwrite)


@app.command(
    "nsclc-radiomics", cls=SeveralValuesCommand, short_help="Lung tumors, laid out as NSCLC-Radiomics."
)
def phantom_nsclc_radiomics(
    *,
    output: PhantomOutput,
    cases: PhantomCases = 5,
    seed: PhantomSeed = NSCLC_RADIOMICS.seed,
    shape: PhantomShape = NSCLC_RADIOMICS.shape,
    spacing: PhantomSpacing = NSCLC_RADIOMICS.spacing_mm,
    diameter: PhantomDiameter = NSCLC_RADIOMICS.lesion_diameter_mm,
    vessels: PhantomVessels = NSCLC_RADIOMICS.trunk_count,
    noise: PhantomNoise = NSCLC_RADIOMICS.noise_hu,
    overwrite: PhantomOverwrite = False,
) -> None:
    """One tumor per patient as NSCLC-Radiomics: DICOM CT series, RTSTRUCT with GTV-1, and exact masks."""
    from nnunetv2_raemd.phantom.nsclc_writer import NsclcRadiomicsLayout
    from nnunetv2_raemd.phantom.phantom_terminal import make_archive

    configuration = replace(
        NSCLC_RADIOMICS,
        seed=seed,
        shape=shape,
        spacing_mm=spacing,
        lesion_diameter_mm=diameter,
        trunk_count=vessels,
        noise_hu=noise,
    )
    make_archive(output, NsclcRadiomicsLayout(), configuration, cases, overwrite=overwrite)
