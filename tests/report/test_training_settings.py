"""What the table of settings says, from files as nnU-Net and this package's trainers write them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from nnunetv2_raemd.report.prediction_time import seconds_per_scan
from nnunetv2_raemd.report.training_log import read_log
from nnunetv2_raemd.report.training_settings import loss_in_words, schedule_in_words
from nnunetv2_raemd.training.recipe import Recipe

LOG = """
#######################################################################
Please cite the following paper

2026-11-26 02:00:00.000000: Epoch 3
2026-11-26 02:00:05.000000: Training done.
2026-11-26 02:00:10.000000: predicting case_1
2026-11-26 02:00:11.000000: case_1, shape torch.Size([1, 40, 96, 96]), rank 0
2026-11-26 02:00:14.000000: predicting case_2
2026-11-26 02:00:20.000000: case_2, shape torch.Size([1, 40, 96, 96]), rank 0
2026-11-26 02:00:21.000000: predicting case_3
2026-11-26 02:00:21.500000: case_3, shape torch.Size([1, 40, 96, 96]), rank 0
2026-11-26 02:00:23.500000: Validation complete
2026-11-26 02:00:30.000000: Mean Validation Dice:  0.5
"""


def test_seconds_per_scan_are_those_between_a_case_and_the_next_line(tmp_path: Path) -> None:
    (tmp_path / "training_log_2026_11_26_02_00_00.txt").write_text(LOG)
    assert seconds_per_scan(tmp_path) == 2  # of 3, 1 and 2


def test_the_newest_log_that_times_cases_counts(tmp_path: Path) -> None:
    assert seconds_per_scan(tmp_path) is None
    (tmp_path / "training_log_2026_11_25_02_00_00.txt").write_text(
        LOG.replace("02:00:21.000000", "02:00:29.000000")
    )
    (tmp_path / "training_log_2026_11_26_02_00_00.txt").write_text(LOG)
    (tmp_path / "training_log_2026_11_27_02_00_00.txt").write_text("2026-11-27 02:00:00.000000: Epoch 1\n")
    assert seconds_per_scan(tmp_path) == 2


def test_parameters_are_counted_once(tmp_path: Path) -> None:
    """nnU-Net's decoder holds its encoder, whose weights come twice in the state."""
    encoder = nn.Conv2d(1, 4, 3)  # 4 * 9 + 4
    network = nn.ModuleDict(
        {"encoder": encoder, "decoder": nn.ModuleDict({"encoder": encoder, "head": nn.Linear(4, 2)})}
    )
    content = {"logging": {"lrs": [0.1]}, "network_weights": network.state_dict()}
    torch.save(content, tmp_path / "checkpoint_final.pth")
    assert len(content["network_weights"]) == 6
    assert read_log(tmp_path).n_parameters == 40 + 10


@pytest.mark.parametrize("weights", [{}, [], None, {"a": 3}])
def test_without_weights_the_log_is_read_all_the_same(tmp_path: Path, weights: object) -> None:
    torch.save({"logging": {"lrs": [0.1]}, "network_weights": weights}, tmp_path / "checkpoint_final.pth")
    log = read_log(tmp_path)
    assert (log.n_epochs, log.n_parameters) == (1, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("DC_and_CE_loss(\n  (ce): RobustCrossEntropyLoss()\n)", "Dice + cross-entropy"),
        ("DeepSupervisionWrapper(\n  (loss): DC_and_BCE_loss(\n)", "Dice + binary cross-entropy"),
        (
            "DeepSupervisionWrapper(\n  (loss): DC_and_CE_loss(\n    (ce): FocalCrossEntropyLoss()\n",
            "Dice + focal loss",
        ),
        ("MyOwnLoss()", "MyOwnLoss"),
    ],
)
def test_losses_in_words(text: str, words: str) -> None:
    assert loss_in_words(text) == words


def test_the_schedule_is_read_from_the_recipe_as_it_is_written() -> None:
    recipe = Recipe(lr_factor=0.5, schedule_patience=3, stop_patience=11)
    assert schedule_in_words({"recipe": str(recipe)}) == (
        "learning rate × 0.5 after 3 epochs without improvement, stop after 11"
    )
    assert schedule_in_words({"recipe": str(replace(recipe, stop_patience=math.inf))}) == (
        "learning rate × 0.5 after 3 epochs without improvement"
    )
    assert schedule_in_words({"recipe": str(replace(recipe, schedule="cosine"))}) == "cosine"
    assert schedule_in_words({"recipe": str(replace(recipe, schedule="cosine", warm_up=0.03))}) == (
        "cosine, after a warm-up over 3% of the training"
    )
    assert schedule_in_words({"recipe": "Recipe(num_epochs=3)"}) == "–"
    assert schedule_in_words({}) == "–"
