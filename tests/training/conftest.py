"""Trainers as objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from nnunet_workspace import Workspace
from tiny_trainers import MakeTrainer, new_trainer


@pytest.fixture
def make_trainer(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeTrainer]:
    """Trainers with a narrow network and a results folder of this test's own."""
    for name, value in replace(workspace, results=tmp_path / "results").variables().items():
        monkeypatch.setenv(name, value)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for networks as small as these, more of them take longer
    yield new_trainer
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)
