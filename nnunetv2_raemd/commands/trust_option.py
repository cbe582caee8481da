"""`--trust-checkpoint`, of every command that opens a trained model."""

from __future__ import annotations

import typer

trust_option = typer.Option(
    "--trust-checkpoint",
    help="Also open a model whose files may run code. Only for models whose maker you trust.",
)
