"""The options of `raemd convert` that all archives share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nnunetv2_raemd.commands import nnunet_options as options
from nnunetv2_raemd.commands.unused_options import refuse_unused
from nnunetv2_raemd.dataset_conversion.dataset_choices import Channel, Splitting

DatasetName = Annotated[str, typer.Option(help="Name of the dataset after its number.")]

_HOLDOUT = (
    "holdout: 70 % to train, 15 % to validate, 15 % to test, which go to imagesTs. Patients are always "
    "kept together."
)


@dataclass(frozen=True)
class ConvertOptions:
    """Where from, where to, and how; each field is an option of the command line."""

    input_folder: Annotated[
        Path,
        typer.Option(
            "--input",
            "-i",
            exists=True,
            file_okay=False,
            callback=options.absolute,
            help="Folder of the downloaded archive.",
        ),
    ]
    dataset_id: Annotated[
        int, typer.Option("--dataset-id", "-d", help="Number of the nnU-Net dataset, 1 to 999.")
    ]
    workers: options.Workers = options.DEFAULT_WORKERS
    scheduler: options.SchedulerAddress = None
    limit: Annotated[int | None, typer.Option(min=1, help="Convert only the first N cases.")] = None
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Convert again what an earlier run finished.")
    ] = False
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Stop at the first bad case instead of continuing with the others."),
    ] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done and write nothing.")] = (
        False
    )
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Read the source files of finished cases too, and convert again those whose content changed "
            "while size and time stayed the same.",
        ),
    ] = False
    qc: Annotated[
        bool,
        typer.Option(
            "--qc", help="Draw a picture of each case, finished ones included, and the page qc/index.html."
        ),
    ] = False
    split: Annotated[
        Splitting,
        typer.Option(help=f"folds: cross-validation. subsets: LUNA16's own ten subsets as folds. {_HOLDOUT}"),
    ] = Splitting.FOLDS
    folds: Annotated[int, typer.Option(min=2, help="Number of folds of --split folds.")] = 5
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of --split folds and holdout.")] = (
        12345
    )
    channel_name: Annotated[
        Channel,
        typer.Option(
            help="Name of the channel, by which nnU-Net normalizes: CT clips and standardizes over the "
            "dataset; rescale_to_0_1 maps each image to [0, 1], as the paper does.",
        ),
    ] = Channel.CT
    anonymize: Annotated[
        bool,
        typer.Option(
            "--anonymize",
            help="Name cases NAME_001 and so on, and keep who they are out of the dataset and the log.",
        ),
    ] = False
    mapping: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="CSV file of the names that --anonymize gives; read if it exists. "
            "By default mapping_DatasetXXX_NAME.csv beside the dataset folder.",
        ),
    ] = None

    def check(self) -> None:
        """Raise a `UserError` where an option of another split is given."""
        if self.split is not Splitting.FOLDS:
            refuse_unused(self, "is for --split folds", "folds")
        if self.split is Splitting.SUBSETS:
            refuse_unused(self, "has no effect on LUNA16's own subsets", "seed")


def _without_subsets(value: str) -> Splitting:
    if value in (Splitting.FOLDS.value, Splitting.HOLDOUT.value):
        return Splitting(value)
    raise typer.BadParameter(f"{value!r} is not one of 'folds', 'holdout'.")


@dataclass(frozen=True)
class PatientConvertOptions(ConvertOptions):
    """Those of archives of patients, which have no subsets of their own."""

    split: Annotated[
        Splitting,
        typer.Option(
            parser=_without_subsets,
            metavar="folds|holdout",
            help=f"folds: cross-validation. {_HOLDOUT}",
        ),
    ] = Splitting.FOLDS
