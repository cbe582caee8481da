"""Bad input is named before torch, which takes seconds to import, is looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_plans import dataset_json, plan, raemd_arguments

PROGRAM = """
import sys
from nnunetv2_raemd.cli import main
try:
    main()
except SystemExit as ended:
    print("ended with", ended.code)
print("torch was imported" if "torch" in sys.modules else "torch was not imported")
"""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """nnU-Net's folder of results with a model whose checkpoint is never read."""
    model = tmp_path / "results" / "Dataset601_Tiny" / "nnUNetTrainerRAEMD__nnUNetPlans__2d"
    (model / "fold_0").mkdir(parents=True)
    (model / "plans.json").write_text(json.dumps(plan(raemd_arguments())), encoding="utf-8")
    (model / "dataset.json").write_text(json.dumps(dataset_json()), encoding="utf-8")
    (model / "fold_0" / "checkpoint_final.pth").touch()
    return tmp_path / "results"


def predicted(results: Path, source: Path, *options: object) -> str:
    """What `raemd predict` prints, and whether it imported torch."""
    command = [sys.executable, "-c", PROGRAM, "predict", "-i", source, "-o", results.parent / "out", *options]
    environment = os.environ | {"nnUNet_results": str(results), "COLUMNS": "200"}
    finished = subprocess.run(
        [str(word) for word in command],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    return finished.stdout + finished.stderr


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("scan_0000.nii.gz", r"scan_0000.nii.gz cannot be read"),
        ("notes.txt", "holds no"),
        (None, "holds no"),
    ],
)
def test_bad_input_is_named_without_torch(
    results: Path, tmp_path: Path, file: str | None, expected: str
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    if file is not None:
        (source / file).write_bytes(b"not an image")
    model = next(results.glob("*/*"))
    for options in (("-d", 601, "-c", "2d", "-f", 0), ("--model", model)):
        said = predicted(results, source, *options)
        assert expected in said
        assert "ended with 1" in said
        assert "torch was not imported" in said


def test_a_missing_model_is_named_without_torch(results: Path, tmp_path: Path) -> None:
    said = predicted(results, tmp_path, "-d", 601, "-c", "2d", "-f", 1)
    assert "fold_1/checkpoint_final.pth is missing" in said
    assert "torch was not imported" in said
