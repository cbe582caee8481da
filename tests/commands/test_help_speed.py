"""Help that does not wait for torch."""

from __future__ import annotations

import subprocess
import sys

MEASURE = """
import resource, sys
from typer.testing import CliRunner
from nnunetv2_raemd.cli import app
assert CliRunner().invoke(app, ["--help"]).exit_code == 0
slow = {"torch", "numpy", "SimpleITK", "pydicom", "matplotlib", "plotly"} & sys.modules.keys()
print(*sorted(slow), sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
"""


def test_help_takes_less_than_half_a_second_of_the_processor() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, check=True, text=True)
    *slow, seconds = done.stdout.split()
    assert slow == []
    assert float(seconds) < 0.5
