"""Table 4: what each trainer leaves out, seen in the network it builds and in how it trains."""

from __future__ import annotations

import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from tiny_trainers import MakeTrainer

from nnunetv2_raemd.architecture.conv_lstm import BidirectionalConvLSTM
from nnunetv2_raemd.architecture.dense_block import DenseBlock
from nnunetv2_raemd.architecture.multi_scale import MultiScaleBlock
from nnunetv2_raemd.architecture.residual_attention import ResidualAttention
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_trainers import raemd as exported

BLOCKS = (MultiScaleBlock, DenseBlock, ResidualAttention, BidirectionalConvLSTM)
# multi-scale, dense, attention, recurrence; weight of Dice; does the learning rate fall in the end?
ROWS = {
    "nnUNetTrainerAblation1UNet": ((False, False, False, False), 0, False),
    "nnUNetTrainerAblation2MultiScale": ((True, False, False, False), 0, False),
    "nnUNetTrainerAblation3Dense": ((True, True, False, False), 0, False),
    "nnUNetTrainerAblation4Attention": ((True, True, True, False), 0, False),
    "nnUNetTrainerAblation5LSTM": ((True, True, True, True), 0, False),
    "nnUNetTrainerRAEMD": ((True, False, False, True), 1, True),
    "nnUNetTrainerRAEMDDense": ((True, True, True, True), 1, True),
    "nnUNetTrainerRAEMD_noMultiScale": ((False, False, False, True), 1, True),
    "nnUNetTrainerRAEMD_withAttention": ((True, False, True, True), 1, True),
    "nnUNetTrainerRAEMD_noLSTM": ((True, False, False, False), 1, True),
    "nnUNetTrainerRAEMD_noHybridLoss": ((True, False, False, True), 0, True),
    "nnUNetTrainerRAEMD_noSchedule": ((True, False, False, True), 1, False),
    "nnUNetTrainerRAEMD_noMuon": ((True, False, False, True), 1, True),
    "nnUNetTrainerRAEMD_noAveraging": ((True, False, False, True), 1, True),
    "nnUNetTrainerRAEMDPaper": ((True, True, True, True), 1, True),
}


def trainer_class(name: str) -> type[nnUNetTrainer]:
    return getattr(exported, name)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_the_table(name: str, make_trainer: MakeTrainer) -> None:
    parts, weight_dice, falls = ROWS[name]
    trainer = make_trainer(trainer_class(name))
    trainer.initialize()
    modules = list(trainer.network.modules())
    assert tuple(any(isinstance(m, block) for m in modules) for block in BLOCKS) == parts
    assert (trainer.loss.loss.weight_ce, trainer.loss.loss.weight_dice) == (1, weight_dice)
    for _ in range(15):
        trainer._observe(1.0)
    trainer.lr_scheduler.step(0.99 * trainer.num_epochs)
    assert (trainer.optimizer.param_groups[0]["lr"] < 0.9 * trainer.initial_lr) == falls


@pytest.mark.parametrize("name", ROWS)
def test_all_rows_see_the_same_sequences(name: str, make_trainer: MakeTrainer) -> None:
    whole = make_trainer().configuration_manager
    row = make_trainer(trainer_class(name)).configuration_manager
    assert (row.patch_size, row.batch_size) == (whole.patch_size, whole.batch_size)


def test_rows_with_one_learning_rate_train_to_the_end(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(exported.nnUNetTrainerAblation1UNet)
    trainer.initialize()
    for _ in range(trainer.num_epochs):
        trainer._observe(1.0)
    assert not trainer.early_stopping.stopped


def test_the_u_net_of_the_table_sees_one_slice_at_a_time(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(exported.nnUNetTrainerAblation1UNet)
    trainer.initialize()
    network = trainer.network.eval()
    network.decoder.deep_supervision = False
    with torch.no_grad():
        sequence = torch.randn(1, 1, 4, 40, 40)
        alone = torch.cat([network(sequence[:, :, i : i + 1]) for i in range(4)], dim=2)
        torch.testing.assert_close(network(sequence), alone, rtol=1e-4, atol=1e-4)


def test_a_raemd_plan_is_refused(make_trainer: MakeTrainer) -> None:
    """Its parts are decided: an ablation by it would train the whole network under another name."""
    with pytest.raises(UserError, match="-p, such as nnUNetPlans"):
        make_trainer(exported.nnUNetTrainerRAEMD_noLSTM, n_slices=8)  # which makes a RAEMD plan
