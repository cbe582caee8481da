"""The `raemd` command: thin subcommands, each a call into the room that does the work.

Rooms are imported inside the subcommands so that `raemd --help` does not wait for torch.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from nnunetv2_raemd.dataset_conversion.choices import DEFAULT_ROI, KNOWN_EXCLUSIONS, Irregular, LunaMasks
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.phantom.configuration import LUNA16, NSCLC_RADIOMICS
from nnunetv2_raemd.version import __version__

DEFAULT_WORKERS = min(4, os.cpu_count() or 1)

app = typer.Typer(
    name="raemd",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
convert_app = typer.Typer(help="Turn a public archive into an nnU-Net dataset.", no_args_is_help=True)
app.add_typer(convert_app, name="convert")
phantom_app = typer.Typer(
    help="Make synthetic thorax CT with exact masks, laid out as a public archive.", no_args_is_help=True
)
app.add_typer(phantom_app, name="phantom")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def raemd(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """RAEMD-Net for lung nodule and tumour segmentation in CT, as a plugin of nnU-Net v2."""


@app.command()
def info(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Check the installation: versions, device, nnU-Net's folders, and whether nnU-Net finds the trainers.

    Exit status 0 when all is usable; 1 when something is wrong, with what to do about it.
    """
    from nnunetv2_raemd.installation import report

    with Console(stderr=True).status("Asking torch and nnU-Net (a few seconds)"):
        findings = list(report.inspect_installation())
    if as_json:
        typer.echo(report.to_json(findings))
    else:
        report.print_report(findings, Console())
    raise typer.Exit(0 if report.is_usable(findings) else 1)


@app.command("plan")
def plan_command(
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Number or name of the nnU-Net dataset.")],
    plans: Annotated[str, typer.Option("--plans", "-p", help="nnU-Net's plan to convert.")] = "nnUNetPlans",
    name: Annotated[str, typer.Option(help="Name of the new plan.")] = "nnUNetRAEMDPlans",
    preset: Annotated[
        str,
        typer.Option(help="raemd: all parts; unet: none, a plain U-Net; or the path of a JSON file."),
    ] = "raemd",
    configuration: Annotated[
        list[str] | None,
        typer.Option("-c", help="Configuration to convert, such as 2d; repeatable. All by default."),
    ] = None,
) -> None:
    """Write a RAEMD plan beside nnU-Net's, sharing its preprocessed data.

    For nnU-Net's own trainers, or for settings of your own. nnUNetTrainerRAEMD needs none: it converts the
    plan that it is given with the preset raemd.
    """
    with Console(stderr=True).status("Planning (a few seconds)"):
        from nnunetv2_raemd.plans.preset import load_preset
        from nnunetv2_raemd.plans.terminal import make_plan

        make_plan(
            dataset,
            plans_name=plans,
            new_name=name,
            preset=load_preset(preset),
            configurations=configuration or None,
        )


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


@convert_app.command("luna16")
def convert_luna16(  # noqa: PLR0913 (each argument is a command line option)
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


@convert_app.command("nsclc-radiomics")
def convert_nsclc_radiomics(  # noqa: PLR0913 (each argument is a command line option)
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


PhantomOutput = Annotated[
    Path, typer.Option("--output", "-o", help="Folder to write; one that is unfinished is continued.")
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
    bool, typer.Option("--overwrite", help="Replace a phantom that is there; never anything else.")
]


@phantom_app.command("luna16")
def phantom_luna16(  # noqa: PLR0913 (each argument is a command line option)
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
    """Lung nodules as LUNA16: subsetN/*.mhd, annotations.csv, seg-lungs-LUNA16, and exact masks in oracle."""
    from nnunetv2_raemd.phantom.luna16_writer import Luna16Layout
    from nnunetv2_raemd.phantom.terminal import make_archive

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


@phantom_app.command("nsclc-radiomics")
def phantom_nsclc_radiomics(  # noqa: PLR0913 (each argument is a command line option)
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
    """One tumour per patient as NSCLC-Radiomics: DICOM CT series, RTSTRUCT with GTV-1, and exact masks."""
    from nnunetv2_raemd.phantom.nsclc_writer import NsclcRadiomicsLayout
    from nnunetv2_raemd.phantom.terminal import make_archive

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


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for all files of the demonstration.")
    ] = Path("demo_output"),
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew instead of continuing an earlier run.")
    ] = False,
) -> None:
    """Show the whole way on a CPU: make phantom scans, convert, plan, train, validate, predict, compare.

    An interrupted demonstration is continued by the same command.
    """
    from nnunetv2_raemd.demo.demonstration import run_demo

    run_demo(output, restart=restart, console=Console())


def main() -> None:
    """Run `raemd`; a `UserError` becomes one message on stderr and exit status 1."""
    try:
        app()
    except UserError as error:
        Console(stderr=True, soft_wrap=True).print(
            f"[bold red]Error:[/] {escape(str(error))}", highlight=False
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
