"""An evaluation as the user sees it: tables, problems, and where the files are."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from nnunetv2_raemd.evaluation.case_results import Evaluation
from nnunetv2_raemd.evaluation.evaluation_exports import write_files
from nnunetv2_raemd.evaluation.evaluation_options import EvaluationOptions
from nnunetv2_raemd.evaluation.metrics import PAPER_METRICS
from nnunetv2_raemd.evaluation.result_tables import Table, lesions_table, means_table
from nnunetv2_raemd.evaluation.summary import Summary, check_against, summarize
from nnunetv2_raemd.evaluation.systems import Material, evaluate_folders
from nnunetv2_raemd.evaluation.table_width import fitted, renamed, short_names
from nnunetv2_raemd.log_width import unlimited_in_a_log

WITHOUT_MONAI = 'HD95 and ASSD were not measured. They need MONAI: pip install "nnunetv2-raemd[evaluation]"'
_SHOWN = 20  # longer lists are in the JSON


def evaluate_and_report(
    material: Material,
    options: EvaluationOptions,
    *,
    folder: Path,
    against: str | None,
    workers: int,
    scheduler: str | None = None,
) -> int:
    """Evaluate, write the files to the folder, print, and return the exit status.

    Raises:
        UserError: if there is no system `against`, or what `evaluate_folders` raises.
    """
    check_against(against, [system.name for system in material.systems])
    evaluation = evaluate_folders(
        material.systems,
        material.reference,
        material.labels,
        options=options,
        workers=workers,
        scheduler=scheduler,
    )
    return report(evaluation, summarize(evaluation, against=against), folder)


def report(evaluation: Evaluation, summary: Summary, folder: Path) -> int:
    """Write the files, print the tables, and return the exit status: 1 where there are problems."""
    write_files(evaluation, summary, folder)
    console = Console(highlight=False)
    for target in evaluation.labels.targets:
        systems = [found for found in summary.targets if found.target == target.name]
        for table in (means_table(systems, PAPER_METRICS), lesions_table(systems)):
            print_table(console, table, f"{target.name}: {table.title}")
    problems = [
        f"{system.name}: {found.case_id}: {found.reason}"
        for system in evaluation.systems
        for found in system.problems
    ]
    for line in problems[:_SHOWN]:
        console.print(f"[bold red]Problem:[/] {escape(line)}", soft_wrap=True)
    if len(problems) > _SHOWN:
        console.print(f"... and {len(problems) - _SHOWN} more problems")
    if evaluation.settings.get("surface_distances") == str(False):
        console.print(f"[yellow]Note:[/] {escape(WITHOUT_MONAI)}", soft_wrap=True)
    console.print(f"Results: {escape(str(folder))}", soft_wrap=True)
    return 1 if problems else 0


def print_table(console: Console, table: Table, title: str) -> None:
    """In parts that fit the terminal, or whole where the output is none, as in a log."""
    unlimited_in_a_log(console)
    console.print(f"[italic]{escape(title)}[/]", soft_wrap=True)
    short = renamed(table, short_names([row[0] for row in table.rows]))
    for part in fitted(short, console.width):
        console.print(_rich(part))
    console.print(f"[dim italic]{escape(table.note)}[/]\n", soft_wrap=True)


def _rich(table: Table) -> RichTable:
    shown = RichTable(box=None, pad_edge=False)
    for i, heading in enumerate(table.headings):
        shown.add_column(heading, justify="right" if i else "left", no_wrap=True)
    for i, row in enumerate(table.rows):
        cells = [f"[bold]{escape(c)}[/]" if (i, j) in table.bold else escape(c) for j, c in enumerate(row)]
        shown.add_row(*cells)
    return shown
