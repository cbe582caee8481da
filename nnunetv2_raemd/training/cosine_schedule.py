"""A learning rate that warms up and then falls along a cosine, scaled to the length of the training."""

from __future__ import annotations

import math

from torch.optim import Optimizer


class CosineSchedule:
    """Linear warm-up, then half a cosine down to 0 (Loshchilov and Hutter, SGDR, equation 5).

    With u from 0 to 1 the part of the training that is done and w the part that warms up:

        lr(u) = initial_lr * min(1, u / w) * (1 + cos(pi u)) / 2

    so that every training ends at a rate of 0, however short it is. The interface is that of
    `PlateauSchedule`; the validation loss decides nothing here.
    """

    def __init__(self, optimizer: Optimizer, *, initial_lr: float, num_epochs: int, warm_up: float) -> None:
        if not 0 <= warm_up < 1:
            raise ValueError(f"warm_up must be at least 0 and below 1, got {warm_up}")
        self.optimizer = optimizer
        self.initial_lr = initial_lr
        self.num_epochs = num_epochs
        self.warm_up = warm_up

    @property
    def lr(self) -> float:
        """The current learning rate."""
        return float(self.optimizer.param_groups[0]["lr"])

    def step(self, epoch: float) -> None:
        """Set the rate for `epoch` epochs done, which may be a fraction."""
        done = min(1.0, max(0.0, epoch / self.num_epochs))
        warm = min(1.0, done / self.warm_up) if self.warm_up else 1.0
        rate = self.initial_lr * warm * (1 + math.cos(math.pi * done)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def observe(self, validation_loss: float) -> bool:
        """The rate does not depend on the loss: never lowered by it."""
        return False
