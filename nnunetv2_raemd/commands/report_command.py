"""`raemd report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnunetv2_raemd.commands import nnunet_options as options
from nnunetv2_raemd.commands.trust_option import trust_option
from nnunetv2_raemd.extras import needs_extra


def report(
    dataset: options.Dataset,
    trainers: options.Trainers,
    configuration: options.Configuration = options.DEFAULT_CONFIGURATION,
    plans: options.Plans = options.DEFAULT_PLANS,
    folds: options.Folds = None,
    against: Annotated[
        str | None,
        typer.Option(help="Trainer to compare the others with, the baseline; default: the first."),
    ] = None,
    cases: Annotated[
        int, typer.Option(min=0, help="Cases in the slice viewer: best, median and worst, a third each.")
    ] = 9,
    trust_checkpoint: Annotated[bool, trust_option] = False,
    title: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Heading of the page. By default it names the trainers and the dataset."
        ),
    ] = None,
    workers: options.Workers = options.DEFAULT_WORKERS,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            dir_okay=False,
            help="The HTML file. By default report__CONFIGURATION.html beside the trainers' folders.",
        ),
    ] = None,
) -> None:
    """Write one HTML page: tables, plots, training curves, FROC, and a slice viewer. It opens offline.

    The last trainer that is not the baseline is shown as the proposed one.

    Takes the results of raemd evaluate where they are up to date, and evaluates where they are not. What is
    missing (a fold, an image, a log) is said on the page; the exit status is then 1.
    """
    with needs_extra("report", "raemd report"):
        import contourpy  # noqa: F401 - whether it is there
        import jinja2  # noqa: F401 - as above
        import plotly  # noqa: F401 - as above

    from nnunetv2_raemd.nnunet_files.dataset_folders import find_dataset
    from nnunetv2_raemd.nnunet_files.trained_models import find_models, model_names

    found = find_dataset(dataset)
    models = find_models(found, model_names(trainers, plans, configuration), folds)
    from nnunetv2_raemd.nnunet_files.checkpoint import read_checkpoint, read_trusted_checkpoint
    from nnunetv2_raemd.report import report_terminal
    from nnunetv2_raemd.report.report_contents import Subject, baseline_of, make_page

    subject = Subject(found, models, configuration, baseline_of(models, against), cases, title or "")
    file = output or found.results / f"report__{configuration}.html"
    read = read_trusted_checkpoint if trust_checkpoint else read_checkpoint
    raise typer.Exit(report_terminal.report(make_page(subject, workers=workers, read=read), file))
