"""How far a training is, which the learning rate follows within an epoch."""

from __future__ import annotations

import pytest

from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD


@pytest.mark.parametrize(("iterations", "expected"), [(0, 3.0), (5, 3.25), (20, 4.0)])
def test_iterations_are_parts_of_an_epoch(iterations: int, expected: float) -> None:
    trainer = object.__new__(nnUNetTrainerRAEMD)
    trainer.current_epoch, trainer.num_iterations_per_epoch = 3, 20
    trainer.iterations_of_epoch = iterations
    assert trainer.epochs_done() == expected
