"""Fixtures of the report's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from trained_folders import TrainedFolders, make_trained_folders

TRAINERS = {"TrainerBase": 3.0, "TrainerOther": 2.0, "TrainerOurs": 0.0}


def _set_folders(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    for kind in ("raw", "preprocessed", "results"):
        monkeypatch.setenv(f"nnUNet_{kind}", str(root / kind))


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainedFolders:
    """Two trainers of two folds with three cases each, to be changed by a test."""
    _set_folders(monkeypatch, tmp_path)
    return make_trained_folders(tmp_path, {"TrainerBase": 3.0, "TrainerOurs": 0.0})


@pytest.fixture(scope="session")
def three_trainers(tmp_path_factory: pytest.TempPathFactory) -> TrainedFolders:
    """Three trainers of two folds, not to be changed."""
    return make_trained_folders(tmp_path_factory.mktemp("report"), TRAINERS)


@pytest.fixture(scope="session")
def page(three_trainers: TrainedFolders) -> Iterator[Path]:
    """The report on `three_trainers`, made once."""
    from typer.testing import CliRunner  # noqa: PLC0415

    from nnunetv2_raemd.cli import app  # noqa: PLC0415

    file = three_trainers.root / "report.html"
    with pytest.MonkeyPatch.context() as monkeypatch:
        _set_folders(monkeypatch, three_trainers.root)
        arguments = ["report", "-d", "702", "-c", "2d", "-tr", *TRAINERS, "-np", "1", "-o", str(file)]
        result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    yield file
