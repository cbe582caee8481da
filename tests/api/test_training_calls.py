"""Trainings from Python: the command that runs, the folders that it sees, and how it fails."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from nnunetv2.run import run_training as nnunets

from nnunetv2_raemd import console_scripts
from nnunetv2_raemd.api import NnunetFolders, preprocess, train
from nnunetv2_raemd.errors import UserError

FAKE = """#!{python}
import json, os, pathlib, sys
said = {{"arguments": sys.argv, "raw": os.environ["nnUNet_raw"], "results": os.environ["nnUNet_results"]}}
pathlib.Path({file!r}).write_text(json.dumps(said))
for n in range(30):
    print("line", n)
print("in the end, an error", file=sys.stderr)
sys.exit({status})
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Path]:
    """Puts a script in the place of nnU-Net's commands; gives the file of what it was called with."""

    def put(status: int) -> Path:
        script, file = tmp_path / "nnUNetv2", tmp_path / "said.json"
        script.write_text(FAKE.format(python=sys.executable, file=str(file), status=status), encoding="utf-8")
        script.chmod(0o755)
        monkeypatch.setattr(console_scripts, "find_script", lambda _name: str(script))
        return file

    return put


def test_a_training_is_that_command_in_those_folders(
    command: Callable[[int], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """nnU-Net's own parser reads from the arguments what was asked for."""
    file = command(0)
    folders = NnunetFolders(tmp_path / "raw", tmp_path / "preprocessed", tmp_path / "results")
    weights = tmp_path / "weights.pth"
    train(501, "2d", 3, folders, trainer="T", plans="P", device="cpu", npz=True, pretrained_weights=weights)
    assert capsys.readouterr().out.splitlines()[-1] == "in the end, an error"
    said = json.loads(file.read_text(encoding="utf-8"))
    assert (said["raw"], said["results"]) == (str(folders.raw), str(folders.results))
    asked: dict[str, Any] = {}
    parameters = inspect.signature(nnunets.run_training)
    monkeypatch.setattr(
        nnunets, "run_training", lambda *a, **k: asked.update(parameters.bind(*a, **k).arguments)
    )
    monkeypatch.setattr(torch, "set_num_threads", lambda _number: None)
    monkeypatch.setattr(sys, "argv", said["arguments"])
    nnunets.run_training_entry()
    expected = {
        "dataset_name_or_id": "501",
        "configuration": "2d",
        "fold": "3",
        "trainer_class_name": "T",
        "plans_identifier": "P",
        "pretrained_weights": str(weights),
        "export_validation_probabilities": True,
        "continue_training": False,
        "only_run_validation": False,
        "device": torch.device("cpu"),
    }
    assert {name: asked[name] for name in expected} == expected


def test_what_fails_says_so_with_its_last_lines(command: Callable[[int], Path], tmp_path: Path) -> None:
    command(3)
    folders = NnunetFolders(tmp_path, tmp_path, tmp_path)
    with pytest.raises(UserError) as failed:
        preprocess("Dataset501_A", folders, configurations=("2d", "3d_fullres"))
    first, *last = str(failed.value).splitlines()
    assert first == (
        "nnUNetv2_plan_and_preprocess -d Dataset501_A -c 2d 3d_fullres failed with exit status 3:"
    )
    assert len(last) == 20
    assert "in the end, an error" in last and "line 29" in last and "line 9" not in last
