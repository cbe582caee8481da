"""IoU and F1 in nnU-Net's log."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from nnunetv2.training.logging.nnunet_logger import LocalLogger
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from tiny_trainers import MakeTrainer

from nnunetv2_raemd.training.overlap_log import overlaps_of_epoch, with_overlaps

NEW = ("iou_per_class_or_region", "mean_fg_iou", "mean_fg_f1")


def validate(trainer: nnUNetTrainer, epoch: int, *, tp: list[int], fp: list[int], fn: list[int]) -> None:
    trainer.current_epoch = epoch
    counts = {"tp_hard": tp, "fp_hard": fp, "fn_hard": fn}
    trainer.on_validation_epoch_end(
        [{"loss": np.float32(1)} | {name: np.asarray(count, np.float32) for name, count in counts.items()}]
    )


def test_logs_them_by_hand(make_trainer: MakeTrainer) -> None:
    """From counts of two classes: IoU = tp / (tp + fp + fn), F1 from precision and recall."""
    trainer = make_trainer()
    trainer.initialize()
    validate(trainer, 0, tp=[6, 1], fp=[2, 1], fn=[4, 0])
    validate(trainer, 1, tp=[0, 3], fp=[5, 0], fn=[5, 0])
    np.testing.assert_allclose(trainer.logger.get_value(NEW[0], step=None), np.array([[0.5, 0.5], [0, 1]]))
    assert trainer.logger.get_value("mean_fg_iou", step=None) == pytest.approx([0.5, 0.5])
    f1 = [2 * precision * recall / (precision + recall) for precision, recall in ((0.75, 0.6), (0.5, 1))]
    assert trainer.logger.get_value("mean_fg_f1", step=None) == pytest.approx([np.mean(f1), 0.5])


def test_a_class_that_does_not_occur_is_left_out() -> None:
    values = overlaps_of_epoch([math.nan, 0.5])
    assert values["mean_fg_iou"] == pytest.approx(1 / 3)
    assert values["mean_fg_f1"] == 0.5


def test_nnunets_own_log_is_completed() -> None:
    log = LocalLogger().my_fantastic_logging | {"dice_per_class_or_region": [[0.5], [1.0]]}
    completed = with_overlaps(log)
    assert completed["mean_fg_iou"] == pytest.approx([1 / 3, 1])
    assert log.keys() == LocalLogger().my_fantastic_logging.keys()  # the other is not changed


def test_a_training_begun_without_them_is_continued(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint_latest.pth"
    before = make_trainer()
    before.initialize()
    validate(before, 0, tp=[6], fp=[2], fn=[4])
    before.save_checkpoint(str(file))
    checkpoint = torch.load(file, weights_only=False)
    for key in NEW:
        del checkpoint["logging"][key]
    torch.save(checkpoint, file)

    after = make_trainer()
    after.load_checkpoint(str(file))
    validate(after, 1, tp=[1], fp=[0], fn=[0])
    assert after.logger.get_value("mean_fg_iou", step=None) == pytest.approx([0.5, 1])
