"""`raemd convert`: one subcommand an archive."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from nnunetv2_raemd.dataset_conversion.choices import DEFAULT_ROI, KNOWN_EXCLUSIONS, Irregular, LunaMasks

DEFAULT_WORKERS = min(4, os.cpu_count() or 1)

app = typer.Typer(help="Turn a public archive into an nnU-Net dataset.", no_args_is_help=True)

InputFolder = Annotated[
    Path,
    typer.Option("--input", "-i", exists=True, file_okay=False, help="Folder of the downloaded archive."),
]
DatasetId = Annotated[
    int, typer.Option("--dataset-id", "-d", help="Number of the nnU-Net dataset, 1 to 999.")
]
Workers = Annotated[int, typer.Option(min=1, help="Worker processes.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Convert only the first N cases.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Convert anew what an earlier run finished.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at the first bad case; by default the rest goes on.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done and write nothing.")]
Folds = Annotated[int, typer.Option(min=2, help="Cross-validation folds; patients are kept together.")]
Seed = Annotated[int, typer.Option(help="Seed of the folds.")]


@app.command("luna16")
def convert_luna16(
    input_folder: InputFolder,
    dataset_id: DatasetId,
    name: Annotated[str, typer.Option(help="Name of the dataset after its number.")] = "LUNA16",
    annotations: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="annotations.csv, where it is not below the input folder."
        ),
    ] = None,
    masks: Annotated[
        LunaMasks, typer.Option(help="sphere: balls of the annotated diameter.")
    ] = LunaMasks.SPHERE,
    workers: Workers = DEFAULT_WORKERS,
    limit: Limit = None,
    overwrite: Overwrite = False,
    strict: Strict = False,
    dry_run: DryRun = False,
    folds: Folds = 5,
    seed: Seed = 12345,
) -> None:
    """LUNA16 (.mhd scans and annotations.csv) to $nnUNet_raw/DatasetXXX_NAME.

    Bad cases are reported and left out, and the exit status is then 1. An interrupted run is continued by
    the same command.
    """
    from nnunetv2_raemd.dataset_conversion import luna16, terminal
    from nnunetv2_raemd.dataset_conversion.conversion import RunOptions
    from nnunetv2_raemd.dataset_conversion.nnunet_dataset import dataset_folder

    folder = dataset_folder(dataset_id, name)
    options = RunOptions(workers, limit, overwrite, strict, folds, seed)
    plan = luna16.plan_luna16(input_folder, annotations=annotations)
    if dry_run:
        terminal.show_plan(plan, folder, options)
        return
    settings = {"archive": "LUNA16", "masks": masks.value}
    raise typer.Exit(terminal.run(plan, folder, luna16.DESCRIPTION, settings=settings, options=options))


@app.command("nsclc-radiomics")
def convert_nsclc_radiomics(
    input_folder: InputFolder,
    dataset_id: DatasetId,
    name: Annotated[str, typer.Option(help="Name of the dataset after its number.")] = "NSCLCRadiomics",
    roi: Annotated[
        str,
        typer.Option(
            help="Regular expression for the ROI's whole name, label or description; case is ignored."
        ),
    ] = DEFAULT_ROI,
    merge: Annotated[bool, typer.Option("--merge", help="Unite all ROIs that --roi matches.")] = False,
    irregular: Annotated[
        Irregular, typer.Option(help="What to do where slices are missing or unevenly spaced.")
    ] = Irregular.RESAMPLE,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Patient to leave out; repeatable. Replaces the list of known ones (LUNG1-128)."),
    ] = None,
    workers: Workers = DEFAULT_WORKERS,
    limit: Limit = None,
    overwrite: Overwrite = False,
    strict: Strict = False,
    dry_run: DryRun = False,
    folds: Folds = 5,
    seed: Seed = 12345,
) -> None:
    """NSCLC-Radiomics (DICOM CT and RTSTRUCT) to $nnUNet_raw/DatasetXXX_NAME.

    Files are known by their headers: any folder layout will do. Bad cases are reported and left out, and the
    exit status is then 1. An interrupted run is continued by the same command.
    """
    from nnunetv2_raemd.dataset_conversion import nsclc_radiomics, terminal
    from nnunetv2_raemd.dataset_conversion.conversion import RunOptions
    from nnunetv2_raemd.dataset_conversion.dicom_index import index_folder
    from nnunetv2_raemd.dataset_conversion.nnunet_dataset import dataset_folder
    from nnunetv2_raemd.dataset_conversion.rtstruct import RoiChoice

    folder = dataset_folder(dataset_id, name)
    options = RunOptions(workers, limit, overwrite, strict, folds, seed)
    choice = nsclc_radiomics.MaskChoice(RoiChoice(roi, merge), irregular)
    excluded = dict.fromkeys(exclude, "asked for by --exclude") if exclude else KNOWN_EXCLUSIONS
    index = index_folder(input_folder, workers=workers)
    plan = nsclc_radiomics.plan_nsclc_radiomics(index, choice=choice, excluded=excluded)
    if dry_run:
        terminal.show_plan(plan, folder, options)
        return
    about, settings = nsclc_radiomics.DESCRIPTION, choice.settings()
    raise typer.Exit(terminal.run(plan, folder, about, settings=settings, options=options))
