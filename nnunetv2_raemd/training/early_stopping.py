"""The decision to stop a training that no longer improves (section 4.2 of the paper)."""

from __future__ import annotations

import math

from nnunetv2_raemd.training.plateau_schedule import MIN_IMPROVEMENT


class EarlyStopping:
    """Stops when the validation loss has not improved for more than `patience` epochs."""

    def __init__(self, patience: float, *, min_improvement: float = MIN_IMPROVEMENT) -> None:
        self.patience = patience
        self.min_improvement = min_improvement
        self.best = math.inf
        self.epochs_without_improvement = 0

    @property
    def stopped(self) -> bool:
        """Whether training should end now."""
        return self.epochs_without_improvement > self.patience

    def observe(self, validation_loss: float) -> None:
        """Take in the validation loss of an epoch."""
        if validation_loss < self.best - self.min_improvement:
            self.best = validation_loss
            self.epochs_without_improvement = 0
        else:
            self.epochs_without_improvement += 1
