"""The training recipe of the paper (section 4.2), in one place."""

from __future__ import annotations

from dataclasses import dataclass

from nnunetv2_raemd.training.plateau_schedule import MIN_IMPROVEMENT


@dataclass(frozen=True)
class Recipe:
    """Settings of a training; a trainer variant differs from another in these only.

    The paper gives Adam, the initial learning rate, the factor, the epochs, and that training stops early;
    patience and smoothing are ours. The schedule and early stopping look at the smoothed validation loss
    (`smoothed_loss.py`); `stop_patience` must exceed `schedule_patience`, or no reduction could ever help.
    """

    num_epochs: int = 100
    iterations_per_epoch: int = 250
    validation_iterations_per_epoch: int = 50
    initial_lr: float = 1e-3
    weight_ce: float = 1.0
    """alpha of equation 3.13"""
    weight_dice: float = 1.0
    """gamma of equation 3.13"""
    focusing: float = 0.0
    """exponent of the focal loss; 0 is cross-entropy"""
    lr_factor: float = 0.1
    """beta of equation 3.10"""
    min_lr: float = 1e-6
    smoothing: float = 0.8
    schedule_patience: int = 6
    stop_patience: int = 20
    min_improvement: float = MIN_IMPROVEMENT
    """a fall of the smoothed loss by less is none; cross-entropy alone, over mostly background, needs less"""

    def __post_init__(self) -> None:
        if self.stop_patience <= self.schedule_patience:
            raise ValueError(
                f"stop_patience {self.stop_patience} must exceed schedule_patience {self.schedule_patience}"
            )
