"""dciodvfy, of Debian's dicom3tools: what it calls an error in a DICOM object."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

DCIODVFY = shutil.which("dciodvfy")
_KINDS = ("Segmentation", "RTStructureSet", "Comprehensive3DSR", "ParametricMap")


def errors(file: Path) -> list[str]:
    """By the standard of the validator's date and by the newest it knows; skips where it is absent."""
    if DCIODVFY is None:
        pytest.skip("dciodvfy is absent (Debian: apt-get install dicom3tools)")
    told = ""
    for options in ([], ["-new"]):
        finished = subprocess.run(
            [DCIODVFY, *options, str(file)], capture_output=True, check=False, timeout=60
        )
        told += finished.stderr.decode(errors="replace")
    assert any(kind in told for kind in _KINDS), told
    return [line for line in told.splitlines() if line.startswith("Error")]
