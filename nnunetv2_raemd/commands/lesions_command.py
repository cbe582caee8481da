"""`raemd lesions`: measurements of the lesions of any masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnunetv2_raemd.commands.lesions_options import ComparedScans, LesionSource, ManyCases, MeasuredLesions
from nnunetv2_raemd.commands.shared_options import with_options_of
from nnunetv2_raemd.commands.unused_options import refuse_unused
from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.errors import UserError


@with_options_of(LesionSource, MeasuredLesions, ComparedScans, ManyCases)
def lesions(
    source: LesionSource,
    measured: MeasuredLesions,
    scans: ComparedScans,
    work: ManyCases,
    *,
    output: Annotated[Path, typer.Option("-o", file_okay=False, help="Folder for the lists.")],
) -> None:
    """List the lesions of segmentations: place, volume, diameters, HU, slices. No reference is needed.

    Writes lesions.csv and lesions.json. A lesion is a 26-connected component of a label. Probabilities are
    taken from the .npz files beside the segmentations, where there are any. Segmentations that cannot be
    read are named, the exit status is then 1, and the others are unaffected.

    With --compare, the lesions of two scans of a patient are paired (the CT images are registered for that)
    and listed with their growth in percent and their volume doubling time: comparison.csv, comparison.json.

    With --luna16, a list is written in LUNA16's form: luna16.csv.
    """
    source.check()
    if source.compare is not None:
        raise typer.Exit(_compare(source.compare, measured, scans, output))
    scans.check_unused()
    if source.luna16 is not None:
        refuse_unused(measured, "is for segmentations, not for --luna16", "images", "labels")
        raise typer.Exit(_as_luna16(source.luna16, output))
    assert source.source is not None
    raise typer.Exit(_measure(source.source, measured, work, output))


def _measure(source: Path, measured: MeasuredLesions, work: ManyCases, output: Path) -> int:
    from nnunetv2_raemd.execution.backend_choice import backend_for
    from nnunetv2_raemd.lesions.lesion_list import write_lesion_lists
    from nnunetv2_raemd.lesions.lesions_terminal import print_lesion_lists
    from nnunetv2_raemd.lesions.measured_batch import measure_all
    from nnunetv2_raemd.lesions.scan_files import find_material

    images = [folder.absolute() for folder in measured.images or ()]
    if len(images) > 1:
        raise UserError("--images: give one folder")
    material = find_material(source.absolute(), images=images[0] if images else None, labels=measured.labels)
    found, failed = measure_all(material, backend=backend_for(work.scheduler, work.workers))
    write_lesion_lists(found, failed, output)
    return print_lesion_lists(found, failed, output)


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
    segmentations: tuple[Path, Path], measured: MeasuredLesions, scans: ComparedScans, output: Path
) -> int:
    from nnunetv2_raemd.lesions.comparison_files import print_comparison, write_comparison
    from nnunetv2_raemd.lesions.scan_comparison import compare, images_of

    days = scans.days_between()
    if not measured.images and not scans.aligned:
        raise UserError(
            "--compare aligns the scans by their CT images: give these with --images, or say --aligned if "
            "the scans lie in the same coordinates already"
        )
    pair = images_of(segmentations, measured.images) if measured.images else None
    found = compare(segmentations, pair, aligned=scans.aligned, labels=measured.labels, days=days)
    write_comparison(found, output)
    return print_comparison(found, output)
