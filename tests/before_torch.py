"""How commands end in a process in which torch, which takes seconds to import, cannot be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# all in one process, which ends the attempt to import torch with an error that no command expects
_RUN_ALL = """
import json, sys

class Torch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise AssertionError("torch was imported")

sys.meta_path.insert(0, Torch())
from typer.testing import CliRunner
from nnunetv2_raemd.cli import app

def refusal(command):
    error = CliRunner().invoke(app, command).exception
    return f"{type(error).__name__}: {error}"

print(json.dumps([refusal(command) for command in json.loads(sys.argv[1])]))
"""


def refusals_before_torch(
    commands: Sequence[Sequence[str]], folder: Path, environment: Mapping[str, str]
) -> list[str]:
    """The error of each `raemd` command (its arguments) in the folder: its class and what it says."""
    finished = subprocess.run(
        [sys.executable, "-c", _RUN_ALL, json.dumps(commands)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
        timeout=300,
    )
    found: list[str] = json.loads(finished.stdout.splitlines()[-1])
    return found
