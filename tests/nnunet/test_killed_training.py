"""`kill -9` in the middle of an epoch and in the middle of writing a checkpoint, and `--c` afterwards."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from nnunet_workspace import Workspace
from nnunetv2.run.run_training import run_training_entry

pytestmark = pytest.mark.slow

TRAINER = "nnUNetTrainerRAEMD_mortal"
TRAIN = (501, "2d", 0, "-tr", TRAINER, "-device", "cpu")


@pytest.mark.parametrize("moment", ["epoch", "checkpoint"])
def test_continues_from_the_last_finished_epoch(workspace: Workspace, moment: str, tmp_path: Path) -> None:
    elsewhere = replace(workspace, results=tmp_path)
    ended_by = elsewhere.run_until_killed(run_training_entry, *TRAIN, RAEMD_TEST_KILL=moment)
    assert ended_by == signal.SIGKILL
    fold = elsewhere.model(TRAINER, "2d") / "fold_0"
    assert bool(list(fold.glob(".unfinished*"))) == (moment == "checkpoint")
    latest = read_checkpoint(fold / "checkpoint_latest.pth")
    assert latest["current_epoch"] == 1

    elsewhere.run_here(run_training_entry, *TRAIN, "--c")

    assert epochs_of_logs(fold) == ["0", "1", "1", "2"]
    final = read_checkpoint(fold / "checkpoint_final.pth")
    assert final["current_epoch"] == 3
    losses = final["logging"]["val_losses"]
    assert len(losses) == 3
    assert losses[0] == latest["logging"]["val_losses"][0]
    assert not list(fold.glob("checkpoint_latest*")) and not list(fold.glob(".unfinished*"))


def epochs_of_logs(fold: Path) -> list[str]:
    """Of all attempts: nnU-Net names a log by the second, so two attempts within one second share theirs."""
    logs = sorted(fold.glob("training_log_*.txt"), key=lambda file: file.stat().st_mtime)
    lines = [line for log in logs for line in log.read_text(encoding="utf-8").splitlines()]
    last_words = [line.split()[-1] for line in lines if ": Epoch " in line]
    return [word for word in last_words if word.isdigit()]


def read_checkpoint(file: Path) -> dict[str, Any]:
    return torch.load(file, weights_only=False)
