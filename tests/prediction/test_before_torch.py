"""Bad input is named before torch, which takes seconds to import, is looked at."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from before_torch import refusals_before_torch
from small_plans import dataset_json, plan, raemd_arguments

MODEL = ("-d", "601", "-c", "2d", "-f", "0")
BAD_SCANS = {"broken": r"scan_0000.nii.gz cannot be read", "text": "holds no", "empty": "holds no"}


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
    environment = os.environ | {"nnUNet_results": str(root / "results"), "COLUMNS": "200"}
    found = refusals_before_torch(arguments, root, environment)
    assert not (root / "out").exists()
    return dict(zip(commands, found, strict=True))


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
