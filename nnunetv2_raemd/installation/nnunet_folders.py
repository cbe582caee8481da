"""nnU-Net's own three folders."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nnunetv2_raemd.installation.finding import Finding, note, problem

# what nnU-Net keeps there
FOLDERS = {
    "nnUNet_raw": "datasets",
    "nnUNet_preprocessed": "preprocessed data and plans",
    "nnUNet_results": "trained models",
}


def check_folders() -> Iterator[Finding]:
    """Yield one finding per folder: is the variable set, is the folder there, can it be written to."""
    for variable, content in FOLDERS.items():
        yield _check_folder(variable, content)


def _check_folder(variable: str, content: str) -> Finding:
    value = os.environ.get(variable)
    if not value:
        return problem(
            variable, "not set", f"set {variable} to the folder for {content}: `export {variable}=/a/folder`"
        )
    folder = Path(value)
    if not folder.exists():
        return problem(
            variable,
            f"{value} does not exist",
            f'run `mkdir -p "{value}"`, or set {variable} to another folder',
        )
    if not folder.is_dir():
        return problem(variable, f"{value} is not a folder", f"set {variable} to a folder")
    if _is_writable(folder):
        return Finding(variable, value)
    if variable == "nnUNet_raw":
        return note(
            variable, f"{value} is read-only", "training works; `raemd convert` cannot write datasets there"
        )
    return problem(
        variable,
        f"{value} cannot be written to",
        f"change its permissions, or set {variable} to a folder that you own",
    )


def _is_writable(folder: Path) -> bool:
    """Write for real: permission bits say nothing of read-only or full file systems."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
