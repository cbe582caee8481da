"""`raemd lesions`: measurements of the lesions of any masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnunetv2_raemd.commands import nnunet_options as options
from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.errors import UserError


def lesions(
    output: Annotated[Path, typer.Option("-o", file_okay=False, help="Folder for the lists.")],
    source: Annotated[
        Path | None, typer.Option("-i", help="Folder of segmentations, or a single one.")
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of their CT images (CASE_0000.nii.gz, or named as the segmentations): for mean HU, "
            "and to align the scans of --compare; for these also the two images themselves.",
        ),
    ] = None,
    labels: Annotated[
        list[int] | None,
        typer.Option(
            "-l",
            metavar="LABEL...",
            help="Labels to measure, as in -l 1 2. By default those of the dataset.json in the folder or "
            "above it, or else all in the files.",
        ),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="BEFORE AFTER",
            help="Instead of -i: two segmentations of one patient, of the earlier scan and of the later one. "
            "Pairs their lesions.",
        ),
    ] = None,
    luna16: Annotated[
        Path | None,
        typer.Option(
            metavar="LIST",
            help="Instead of -i: a lesions.json of this command or of raemd predict, to be written as "
            "luna16.csv, with the columns of LUNA16's annotations and submissions.",
        ),
    ] = None,
    dates: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="DATE DATE", help="Days of the two scans, as 2024-03-18, for doubling times."),
    ] = None,
    days: Annotated[float | None, typer.Option(help="Or the number of days between them.")] = None,
    aligned: Annotated[
        bool,
        typer.Option("--aligned", help="The two scans lie in the same coordinates: do not register them."),
    ] = False,
    workers: options.Workers = options.DEFAULT_WORKERS,
    scheduler: options.SchedulerAddress = None,
) -> None:
    """List the lesions of segmentations: place, volume, diameters, HU, slices. No reference is needed.

    Writes lesions.csv and lesions.json. A lesion is a 26-connected component of a label. Probabilities are
    taken from the .npz files beside the segmentations, where there are any. Segmentations that cannot be
    read are named, the exit status is then 1, and the others are unaffected.

    With --compare, the lesions of two scans of a patient are paired (the CT images are registered for that)
    and listed with their growth in percent and their volume doubling time: comparison.csv, comparison.json.

    With --luna16, a list is written in LUNA16's form: luna16.csv.
    """
    if luna16 is not None and source is None and compare is None:
        raise typer.Exit(_as_luna16(luna16, output))
    if compare is not None and source is None and luna16 is None:
        days = _days(dates, days)
        raise typer.Exit(_compare(compare, images or [], labels, days=days, aligned=aligned, output=output))
    if source is None or compare is not None or luna16 is not None:
        raise UserError("give either -i SEGMENTATIONS, --compare BEFORE AFTER or --luna16 LIST")
    if dates or days is not None or aligned:
        raise UserError("--dates, --days and --aligned are for --compare")
    raise typer.Exit(
        _measure(source, images or [], labels, workers=workers, scheduler=scheduler, output=output)
    )


def _measure(
    source: Path,
    images: list[Path],
    labels: list[int] | None,
    *,
    workers: int,
    scheduler: str | None,
    output: Path,
) -> int:
    from nnunetv2_raemd.execution.backend_choice import backend_for
    from nnunetv2_raemd.lesions.lesion_list import write_lesion_lists
    from nnunetv2_raemd.lesions.lesions_terminal import print_lesion_lists
    from nnunetv2_raemd.lesions.measured_batch import measure_all
    from nnunetv2_raemd.lesions.scan_files import find_material

    if len(images) > 1:
        raise UserError("--images: give one folder")
    material = find_material(
        source.absolute(), images=images[0].absolute() if images else None, labels=labels
    )
    scans, failed = measure_all(material, backend=backend_for(scheduler, workers))
    write_lesion_lists(scans, failed, output)
    return print_lesion_lists(scans, failed, output)


def _as_luna16(file: Path, output: Path) -> int:
    from nnunetv2_raemd.lesions.lesion_list import load_scans
    from nnunetv2_raemd.lesions.luna16_list import write_luna16_list

    scans, failed = load_scans(file)
    written = write_luna16_list(scans, output)
    typer.echo(f"Lesions of {counted(len(scans), 'scan')} in LUNA16's columns: {written}")
    for one in failed:
        typer.echo(f"{one.case_id} has no list: {one.reason}")
    return 1 if failed else 0


def _compare(
    segmentations: tuple[Path, Path],
    images: list[Path],
    labels: list[int] | None,
    *,
    days: float | None,
    aligned: bool,
    output: Path,
) -> int:
    from nnunetv2_raemd.lesions.comparison_files import print_comparison, write_comparison
    from nnunetv2_raemd.lesions.scan_comparison import compare, images_of

    if not images and not aligned:
        raise UserError(
            "--compare aligns the scans by their CT images: give these with --images, or say --aligned if "
            "the scans lie in the same coordinates already"
        )
    pair = images_of(segmentations, images) if images else None
    found = compare(segmentations, pair, aligned=aligned, labels=labels, days=days)
    write_comparison(found, output)
    return print_comparison(found, output)


def _days(dates: tuple[str, str] | None, days: float | None) -> float | None:
    from nnunetv2_raemd.lesions.scan_comparison import days_between

    return days_between(dates, days)
