"""The training recipes: the paper's (section 4.2), and the one that measured best."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from nnunetv2_raemd.training.plateau_schedule import MIN_IMPROVEMENT


@dataclass(frozen=True)
class Recipe:
    """Settings of a training; trainer variants differ in these only. The defaults are the paper's.

    The paper gives Adam, the initial learning rate, the factor, the epochs, and that training stops early;
    patience and smoothing are ours. The plateau schedule and early stopping look at the smoothed validation
    loss (`smoothed_loss.py`); `stop_patience` must exceed `schedule_patience`, or no reduction could ever
    help. The cosine schedule uses `warm_up` instead of the settings of the plateau.
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
    optimizer: Literal["adam", "muon"] = "adam"
    """Muon is Adam for all but the kernels of convolutions (`averaged_muon.py`)"""
    weight_decay: float = 0.0
    """of AdamW, which is Adam without it, and of Muon"""
    average_decay: float = 0.0
    """of the moving average of the weights that validates and predicts; 0 is no average"""
    schedule: Literal["plateau", "cosine"] = "plateau"
    warm_up: float = 0.0
    """part of the training in which the cosine schedule's learning rate rises from 0"""
    lr_factor: float = 0.1
    """beta of equation 3.10"""
    min_lr: float = 1e-6
    smoothing: float = 0.8
    schedule_patience: int = 6
    stop_patience: float = 20
    """epochs without improvement after which training ends; infinite: never"""
    min_improvement: float = MIN_IMPROVEMENT
    """a fall of the smoothed loss by less is none; cross-entropy alone, over mostly background, needs less"""

    turned: bool = False
    """patches also turned out of the slices' plane and mirrored across slices, where slices lie about as near
    to each other as pixels (`turned_sequences.py`)"""

    def __post_init__(self) -> None:
        if self.stop_patience <= self.schedule_patience:
            raise ValueError(
                f"stop_patience {self.stop_patience} must exceed schedule_patience {self.schedule_patience}"
            )


PAPER = Recipe()
MEASURED_BEST = replace(
    PAPER,
    initial_lr=2e-3,
    optimizer="muon",
    weight_decay=1e-2,
    average_decay=0.999,
    schedule="cosine",
    warm_up=0.03,
    stop_patience=math.inf,  # the last epochs, at the lowest rates, gain most
)
"""compared with the paper's in docs/real-nodules.md"""
