"""Bad input is named before torch, which takes seconds to import, is looked at."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from small_plans import dataset_json, plan, raemd_arguments

MODEL = ("-d", "601", "-c", "2d", "-f", "0")
BAD_SCANS = {"broken": r"scan_0000.nii.gz cannot be read", "text": "holds no", "empty": "holds no"}
# in one process, which ends the attempt to import torch with an error that no command expects
RUN_ALL = """
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


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """nnU-Net's folder of results with a model whose checkpoint is never read, and folders of bad scans."""
    folder = tmp_path_factory.mktemp("before_torch")
    model = folder / "results" / "Dataset601_Tiny" / "nnUNetTrainerRAEMD__nnUNetPlans__2d"
    (model / "fold_0").mkdir(parents=True)
    (model / "plans.json").write_text(json.dumps(plan(raemd_arguments())), encoding="utf-8")
    (model / "dataset.json").write_text(json.dumps(dataset_json()), encoding="utf-8")
    (model / "fold_0" / "checkpoint_final.pth").touch()
    for name in BAD_SCANS:
        (folder / name).mkdir()
    (folder / "broken" / "scan_0000.nii.gz").write_bytes(b"not an image")
    (folder / "text" / "notes.txt").write_bytes(b"not an image")
    return folder


@pytest.fixture(scope="module")
def refusals(root: Path) -> dict[tuple[str, ...], str]:
    """How `raemd predict` ends for each folder of scans and choice of the model."""
    model = next((root / "results").glob("*/*"))
    commands: dict[tuple[str, ...], tuple[str, ...]] = {(name, "-d"): (name, *MODEL) for name in BAD_SCANS}
    commands |= {(name, "--model"): (name, "--model", str(model)) for name in BAD_SCANS}
    commands["empty", "another fold"] = ("empty", *MODEL[:-1], "1")
    arguments = [["predict", "-o", "out", "-i", *command] for command in commands.values()]
    finished = subprocess.run(
        [sys.executable, "-c", RUN_ALL, json.dumps(arguments)],
        cwd=root,
        env=os.environ | {"nnUNet_results": str(root / "results"), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
        timeout=120,
    )
    assert not (root / "out").exists()
    return dict(zip(commands, json.loads(finished.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize("model", ["-d", "--model"])
@pytest.mark.parametrize("scans", BAD_SCANS)
def test_bad_input_is_named_without_torch(
    refusals: dict[tuple[str, ...], str], scans: str, model: str
) -> None:
    assert refusals[scans, model].startswith("UserError: ")
    assert re.search(BAD_SCANS[scans], refusals[scans, model])


def test_a_missing_model_is_named_without_torch(refusals: dict[tuple[str, ...], str]) -> None:
    said = refusals["empty", "another fold"]
    assert said.startswith("UserError: ") and "fold_1/checkpoint_final.pth is missing" in said
