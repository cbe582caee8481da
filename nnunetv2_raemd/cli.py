"""The `raemd` command: its subcommands put together, and how their errors end."""

from __future__ import annotations

import atexit
import errno
import gc
import io
import sys
import warnings
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from nnunetv2_raemd.commands import convert_command, phantom_command, postprocess_command
from nnunetv2_raemd.commands.bench_command import bench
from nnunetv2_raemd.commands.calibrate_command import calibrate
from nnunetv2_raemd.commands.demo_command import demo
from nnunetv2_raemd.commands.evaluate_command import evaluate
from nnunetv2_raemd.commands.export_command import export
from nnunetv2_raemd.commands.help_lines import Group
from nnunetv2_raemd.commands.info_command import info
from nnunetv2_raemd.commands.lesions_command import lesions
from nnunetv2_raemd.commands.plan_command import plan
from nnunetv2_raemd.commands.predict_command import predict
from nnunetv2_raemd.commands.report_command import report
from nnunetv2_raemd.commands.several_values import SeveralValuesCommand
from nnunetv2_raemd.commands.study_command import study
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.version import __version__

app = typer.Typer(
    cls=Group,
    name="raemd",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its tables cut off the names of options in a terminal of usual width
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    """RAEMD-Net for lung nodule and tumor segmentation in CT, as a plugin of nnU-Net v2."""


def _add(command: Callable[..., None], short_help: str) -> None:
    """With a help of one line that `raemd --help` shows whole in 80 columns."""
    app.command(cls=SeveralValuesCommand, short_help=short_help)(command)


_add(info, "Check the installation.")
_add(plan, "Write a RAEMD plan beside nnU-Net's.")
app.add_typer(convert_command.app, name="convert")
app.add_typer(phantom_command.app, name="phantom", short_help="Make synthetic thorax CT with exact masks.")
_add(predict, "Predict a folder of scans.")
_add(export, "Write a model as one folder that runs on several backends.")
_add(study, "Run the trainings of a comparison that are missing.")
_add(evaluate, "Measure predictions against references.")
_add(report, "Write an HTML page about trained models.")
_add(lesions, "List the lesions of any masks, and compare two scans.")
_add(calibrate, "Learn from cross-validation how far a model can be trusted.")
app.add_typer(
    postprocess_command.app, name="postprocess", short_help="Choose and apply post-processing of predictions."
)
_add(bench, "Time RAEMD-Net beside nnU-Net's networks on this machine.")
_add(demo, "Show the whole way from scans to a trained network on a CPU.")


def _silence_torch() -> None:
    """Hide a warning of torch for authors of libraries, here and in the processes started from here."""
    sys.warnoptions.append("ignore::FutureWarning:torch.jit._script")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.jit\._script")


def _print_what_can_be_printed() -> None:
    """Let a terminal or a pipe without, say, an infinity sign show a question mark instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def main() -> None:
    """Run `raemd`; a `UserError`, or a disc that does not obey, becomes one message and exit status 1."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    _silence_torch()
    _print_what_can_be_printed()
    atexit.register(gc.freeze)  # else the interpreter searches torch and nnU-Net for garbage before it ends
    try:
        app()
    except UserError as error:
        _end_with(str(error))
    except OSError as error:
        if error.filename is None and error.errno not in _OF_THE_DISC:
            raise
        _end_with(f"{error.filename or 'a file'} cannot be used: {error.strerror}")


_OBJECTS_BETWEEN_COLLECTIONS = 20_000
"""Python's 700 look for garbage hundreds of times while modules are imported, in a tenth of the time."""
_OF_THE_DISC = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def _end_with(message: str) -> None:
    Console(stderr=True, soft_wrap=True).print(f"[bold red]Error:[/] {escape(message)}", highlight=False)
    sys.exit(1)


if __name__ == "__main__":
    main()
