"""A command in the place of nnUNetv2_train, and the folders it writes to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fake_training import FAKE, Calls


@pytest.fixture
def command(tmp_path: Path) -> str:
    script = tmp_path / "fake_train"
    script.write_text(FAKE.format(python=sys.executable), encoding="utf-8")
    script.chmod(0o755)
    return str(script)


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a dataset in nnU-Net's results."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.setenv(name, str(tmp_path / name))
    folder = tmp_path / "nnUNet_results" / "Dataset501_Test"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def calls(dataset: Path) -> Calls:
    return Calls(dataset.parent / "calls.txt")
