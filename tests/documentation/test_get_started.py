"""The commands of docs/get-started.md, in their order, at toy size."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import IO

import pytest
from nnunet_workspace import PLANNER, PREPROCESS, Workspace, narrow_plan
from nnunetv2.experiment_planning.plan_and_preprocess_entrypoints import plan_and_preprocess_entry
from nnunetv2.run.run_training import run_training_entry
from typer.testing import CliRunner

from nnunetv2_raemd.cli import app
from nnunetv2_raemd.study import training_job

pytestmark = pytest.mark.slow

PAGE = Path(__file__).resolve().parents[2] / "docs" / "get-started.md"
TOY_SIZE = {
    "-n 12 --shape 40 96 96": "-n 5 --shape 24 64 64",
    "--spacing 2.5 2 2 --diameter 8 18": "--spacing 4 3 3 --diameter 10 16",
    "nnUNetTrainerUNet_quick": "nnUNetTrainerAblation1UNet_tiny",
    "nnUNetTrainerRAEMD_quick": "nnUNetTrainerRAEMD_tiny",
}
ON_CPU = {"study": ("-device", "cpu"), "predict": ("-device", "cpu", "-npp", "0", "-nps", "0")}


def commands() -> list[list[str]]:
    """What a reader types, without the set-up of the environment."""
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith(("raemd ", "nnUNetv2_"))]


def train_here(workspace: Workspace, command: Sequence[str], log: IO[str], **_: object) -> int:
    """What a study does with nnUNetv2_train, in this process, which need not import torch again."""
    with redirect_stdout(log):
        workspace.run_here(run_training_entry, *command[1:])
    return 0


def at_toy_size(command: list[str]) -> list[str]:
    line = shlex.join(command)
    for usual, toy in TOY_SIZE.items():
        line = line.replace(usual, toy)
    return shlex.split(line)


def test_the_page_has_the_whole_way() -> None:
    assert [command[:2] for command in commands()] == [
        ["raemd", "info"],
        ["raemd", "phantom"],
        ["raemd", "convert"],
        ["nnUNetv2_plan_and_preprocess", "-d"],
        ["raemd", "study"],
        ["raemd", "report"],
        ["raemd", "predict"],
    ]
    page = PAGE.read_text(encoding="utf-8")
    assert all(usual in page for usual in TOY_SIZE)


def test_its_commands_work_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nnunet = tmp_path / "nnunet"
    workspace = Workspace(nnunet / "raw", nnunet / "preprocessed", nnunet / "results")
    for folder in (workspace.raw, workspace.preprocessed, workspace.results):
        folder.mkdir(parents=True)
    for name, value in workspace.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training_job, "run_in_group", partial(train_here, workspace))
    for program, *arguments in map(at_toy_size, commands()):
        if program == "nnUNetv2_plan_and_preprocess":
            workspace.run_here(plan_and_preprocess_entry, *arguments, *PREPROCESS, **PLANNER)
            narrow_plan(workspace.preprocessed / "Dataset501_LUNA16")
            continue
        done = CliRunner().invoke(app, [*arguments, *ON_CPU.get(arguments[0], ())])
        assert done.exit_code == 0, (arguments, done.output, done.exception)
    dataset = workspace.raw / "Dataset501_LUNA16"
    assert (dataset / "qc" / "index.html").is_file()
    assert "nnUNetTrainerRAEMD_tiny" in (tmp_path / "report.html").read_text(encoding="utf-8")
    predicted = {file.name for file in (tmp_path / "segmentations").glob("*.nii.gz")}
    assert (
        predicted == {file.name for file in (dataset / "labelsTr").glob("*.nii.gz")} and len(predicted) == 5
    )
