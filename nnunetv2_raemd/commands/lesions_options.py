"""The options of `raemd lesions` by what they are about; the fields of each class are options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nnunetv2_raemd.commands import nnunet_options as options
from nnunetv2_raemd.errors import UserError


@dataclass(frozen=True)
class LesionSource:
    """Where lesions come from: one of three."""

    source: Annotated[Path | None, typer.Option("-i", help="Folder of segmentations, or a single one.")] = (
        None
    )
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="BEFORE AFTER",
            help="Instead of -i: two segmentations of one patient, of the earlier scan and of the later one. "
            "Pairs their lesions.",
        ),
    ] = None
    luna16: Annotated[
        Path | None,
        typer.Option(
            metavar="LIST",
            help="Instead of -i: a lesions.json of this command or of raemd predict, to be written as "
            "luna16.csv, with the columns of LUNA16's annotations and submissions.",
        ),
    ] = None

    def check(self) -> None:
        """Raise a `UserError` where it is none or several of them."""
        if sum(given is not None for given in (self.source, self.compare, self.luna16)) != 1:
            raise UserError("give either -i SEGMENTATIONS, --compare BEFORE AFTER or --luna16 LIST")


@dataclass(frozen=True)
class MeasuredLesions:
    """Which lesions are measured, and in which images."""

    images: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of their CT images (CASE_0000.nii.gz, or named as the segmentations): for mean HU, "
            "and to align the scans of --compare; for these also the two images themselves.",
        ),
    ] = None
    labels: Annotated[
        list[int] | None,
        typer.Option(
            "-l",
            metavar="LABEL...",
            help="Labels to measure, as in -l 1 2. By default those of the dataset.json in the folder or "
            "above it, or else all in the files.",
        ),
    ] = None


@dataclass(frozen=True)
class ComparedScans:
    """How the two scans of a patient lie to each other."""

    dates: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="DATE DATE", help="Days of the two scans, as 2024-03-18, for doubling times."),
    ] = None
    days: Annotated[float | None, typer.Option(help="Or the number of days between them.")] = None
    aligned: Annotated[
        bool,
        typer.Option("--aligned", help="The two scans lie in the same coordinates: do not register them."),
    ] = False

    def days_between(self) -> float | None:
        """By the dates or as given.

        Raises:
            UserError: if both are given, or the dates cannot be read.
        """
        from nnunetv2_raemd.lesions.scan_comparison import days_between

        return days_between(self.dates, self.days)

    def check_unused(self) -> None:
        """Raise a `UserError` where one is given though nothing is compared."""
        if self.dates or self.days is not None or self.aligned:
            raise UserError("--dates, --days and --aligned are for --compare")


@dataclass(frozen=True)
class ManyCases:
    """Who does the work."""

    workers: options.Workers = options.DEFAULT_WORKERS
    scheduler: options.SchedulerAddress = None
