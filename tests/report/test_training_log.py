"""What nnU-Net logged, from its checkpoints to the curves."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from trained_folders import log_of

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.checkpoint import read_trusted_checkpoint
from nnunetv2_raemd.report.roles import looks_of
from nnunetv2_raemd.report.training_curves import training_curves
from nnunetv2_raemd.report.training_log import TrainingLog, read_log


def save(folder: Path, name: str, n_epochs: int) -> Path:
    torch.save({"logging": log_of(n_epochs, 0), "network_weights": {}}, folder / name)
    return folder


def test_logs_without_iou_and_f1_are_completed(tmp_path: Path) -> None:
    log = read_log(save(tmp_path, "checkpoint_final.pth", 3))
    assert log.finished and log.n_epochs == 3 and log.hours == pytest.approx(3 * 90 / 3600)
    dice = log.curves["mean_fg_dice"]
    assert log.curves["mean_fg_f1"] == pytest.approx(dice)
    assert log.curves["mean_fg_iou"] == pytest.approx([d / (2 - d) for d in dice])


def test_the_final_checkpoint_comes_first(tmp_path: Path) -> None:
    save(tmp_path, "checkpoint_best.pth", 1)
    assert not read_log(tmp_path).finished
    save(tmp_path, "checkpoint_latest.pth", 2)
    assert (read_log(tmp_path).n_epochs, read_log(tmp_path).finished) == (2, False)
    save(tmp_path, "checkpoint_final.pth", 3)
    assert (read_log(tmp_path).n_epochs, read_log(tmp_path).finished) == (3, True)


def test_checkpoints_of_an_older_format(tmp_path: Path) -> None:
    content = {"logging": log_of(2, 0)}
    torch.save(content, tmp_path / "checkpoint_final.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(UserError, match="--trust-checkpoint"):
        read_log(tmp_path)
    assert read_log(tmp_path, read_trusted_checkpoint).n_epochs == 2


def test_a_log_may_lack_quantities(tmp_path: Path) -> None:
    torch.save({"logging": {"train_losses": [1.0, 0.5], "lrs": []}}, tmp_path / "checkpoint_final.pth")
    log = read_log(tmp_path)
    assert (log.curves, log.hours) == ({"train_losses": (1.0, 0.5)}, None)


@pytest.mark.parametrize("content", [b"no checkpoint", b""])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoint_final.pth").write_bytes(content)
    with pytest.raises(UserError, match=r"checkpoint_final\.pth is not a checkpoint"):
        read_log(tmp_path)


def test_no_log_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="contains no checkpoint"):
        read_log(tmp_path)
    torch.save({"network_weights": {}}, tmp_path / "checkpoint_final.pth")
    with pytest.raises(UserError, match="contains no log"):
        read_log(tmp_path)


@pytest.mark.parametrize("logging", [3, [1], {"lrs": 1}, {"lrs": ["a"]}, {"lrs": [10**400]}, {"lrs": [[]]}])
def test_a_log_of_another_shape_is_named(tmp_path: Path, logging: object) -> None:
    torch.save({"logging": logging}, tmp_path / "checkpoint_final.pth")
    with pytest.raises(UserError, match=r"checkpoint_final\.pth contains no log of nnU-Net: "):
        read_log(tmp_path)


def test_the_mean_runs_over_the_epochs_that_all_folds_have() -> None:
    logs = {
        "a": [
            TrainingLog("0", {"mean_fg_dice": (0.2, 0.4, 0.9)}, True, None),
            TrainingLog("1", {"mean_fg_dice": (0.4, 0.8)}, True, None),
        ],
        "b": [TrainingLog("0", {"mean_fg_dice": (0.5,), "lrs": (0.1,)}, True, None)],
        "c": [],
    }
    plot = training_curves(logs, looks_of(list(logs), "a"))
    assert plot is not None
    traces = json.loads(plot.figure)["data"]
    assert [(t["name"], t["y"]) for t in traces if t["opacity"] == 1] == [
        ("a", [0.3, 0.6]),
        ("b", [0.5]),
        ("b", [0.1]),
    ]
    assert [t["y"] for t in traces if t["opacity"] < 1] == [[0.2, 0.4, 0.9], [0.4, 0.8]]
    assert [t["name"] for t in traces if t["showlegend"]] == ["a", "b"]
    assert "a 2, b 1, c 0" in plot.caption


def test_no_curves_without_logs() -> None:
    assert training_curves({"a": []}, looks_of(["a"], "a")) is None


def test_infinite_losses_are_gaps() -> None:
    logs = {
        "a": [
            TrainingLog(f, {"train_losses": (1.0, loss)}, True, None)
            for f, loss in (("0", math.inf), ("1", -math.inf))
        ]
    }
    plot = training_curves(logs, looks_of(["a"], "a"))
    assert plot is not None
    assert [trace["y"] for trace in json.loads(plot.figure)["data"]] == [[1, None]] * 3
