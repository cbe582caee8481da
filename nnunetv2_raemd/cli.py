"""The `raemd` command: thin subcommands, each a call into the room that does the work.

Rooms are imported inside the subcommands so that `raemd --help` does not wait for torch.
"""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from nnunetv2_raemd.errors import UserError

app = typer.Typer(
    name="raemd",
    help="RAEMD-Net for lung nodule and tumour segmentation in CT, as a plugin of nnU-Net v2.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
convert_app = typer.Typer(help="Turn a public archive into an nnU-Net dataset.", no_args_is_help=True)
app.add_typer(convert_app, name="convert")


def main() -> None:
    """Run `raemd`; a `UserError` becomes one message on stderr and exit status 1."""
    try:
        app()
    except UserError as error:
        Console(stderr=True, soft_wrap=True).print(f"[bold red]Error:[/] {error}", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
