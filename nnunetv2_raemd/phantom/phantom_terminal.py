"""Making a phantom archive as the user sees it: progress, then what is there."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from nnunetv2_raemd.counted import counted
from nnunetv2_raemd.phantom.configuration import PhantomConfiguration
from nnunetv2_raemd.phantom.phantom_archive import ORACLE_FOLDER, ArchiveLayout, remove_archive, write_archive


def make_archive(
    folder: Path, layout: ArchiveLayout, configuration: PhantomConfiguration, cases: int, *, overwrite: bool
) -> None:
    """Write a phantom archive with a progress bar.

    Raises:
        UserError: the folder holds something else, or lesions do not fit into the lungs.
    """
    if overwrite:
        remove_archive(folder)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("Phantoms", total=cases)
        records = write_archive(
            folder, layout, configuration, cases, on_case=lambda case_id: progress.advance(bar)
        )
    lesions = sum(len(record["lesions"]) for record in records)
    console.print(f"{counted(cases, 'case')} with {counted(lesions, 'lesion')}: {folder}")
    console.print(f"Exact masks: {folder / ORACLE_FOLDER}")
    console.print(f"Next: {shlex.join(['raemd', 'convert', layout.name, '-i', str(folder), '-d', '501'])}")
