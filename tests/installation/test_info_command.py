"""`raemd info` and `raemd --version` as a user meets them."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from nnunetv2_raemd.cli import app
from nnunetv2_raemd.installation.discovery import TRAINERS_FOLDER, VARIABLE
from nnunetv2_raemd.installation.finding import Finding, note, problem
from nnunetv2_raemd.installation.installation_report import is_usable, print_report
from nnunetv2_raemd.installation.nnunet_folders import FOLDERS


@pytest.fixture(autouse=True)
def usable_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(TRAINERS_FOLDER))
    for variable in FOLDERS:
        monkeypatch.setenv(variable, str(tmp_path))


def test_version_is_that_of_the_installed_package() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout.strip()) == (0, metadata.version("nnunetv2-raemd"))


def test_a_usable_installation_exits_with_0() -> None:
    result = CliRunner().invoke(app, ["info"])
    assert result.exit_code == 0
    assert metadata.version("nnunetv2") in result.stdout
    assert "nnUNetTrainerRAEMD" in result.stdout


def test_it_takes_less_than_three_seconds_and_imports_no_trainer() -> None:
    measured = (
        "import resource, sys; from typer.testing import CliRunner; from nnunetv2_raemd.cli import app;"
        "assert CliRunner().invoke(app, ['info']).exit_code == 0;"
        "assert 'nnunetv2.training' not in sys.modules;"
        "print(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))"
    )
    done = subprocess.run([sys.executable, "-c", measured], capture_output=True, check=True, text=True)
    assert float(done.stdout) < 3


def test_loading_the_trainers_is_asked_for() -> None:
    result = CliRunner().invoke(app, ["info", "--load-trainers"])
    assert result.exit_code == 0
    assert re.search(r"ok +Loading +nnU-Net loads all \d+ trainers", result.stdout)


def test_a_problem_exits_with_1_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("nnUNet_results")
    result = CliRunner().invoke(app, ["info"])
    assert result.exit_code == 1
    assert "export nnUNet_results=" in result.stdout


def test_json_holds_every_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("nnUNet_results")
    result = CliRunner().invoke(app, ["info", "--json"])
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["usable"] is False
    assert {f["subject"] for f in report["findings"] if f["state"] == "problem"} == {"nnUNet_results"}


def test_a_note_does_not_make_it_unusable() -> None:
    findings = [Finding("a", "1"), note("b", "2", "know this")]
    assert is_usable(findings)
    assert not is_usable([*findings, problem("c", "3", "do that")])


def test_the_table_keeps_what_looks_like_markup_and_folds_long_paths() -> None:
    out = io.StringIO()
    path = "/data/[bold]/" + "long" * 30
    print_report([problem("folder", path, "mend [red]/x")], Console(file=out, width=60))
    assert path in "".join(line.split(maxsplit=2)[-1] for line in out.getvalue().splitlines() if line.strip())
    assert "mend [red]/x" in out.getvalue()
