"""Learning rate lowered on a plateau of the validation loss, equation 3.10 of the paper."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

# An improvement below this is none. Absolute, because nnU-Net's loss passes through zero, where a threshold
# relative to the best loss has no meaning (and for a negative best loss counts deterioration as improvement).
MIN_IMPROVEMENT = 1e-3


class PlateauSchedule:
    """torch's ReduceLROnPlateau behind the interface of nnU-Net's schedules.

    nnU-Net steps its schedules with the number of the epoch, which must not be taken for a loss: `step` does
    nothing, the validation loss comes through `observe`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        *,
        factor: float,
        patience: int,
        min_lr: float,
        min_improvement: float = MIN_IMPROVEMENT,
    ) -> None:
        self.optimizer = optimizer
        self._plateau = ReduceLROnPlateau(
            optimizer,
            mode="min",
            factor=factor,
            patience=patience,
            threshold=min_improvement,
            threshold_mode="abs",
            min_lr=min_lr,
        )

    @property
    def lr(self) -> float:
        """The current learning rate."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def epochs_without_improvement(self) -> int:
        """Epochs since the loss last improved or the learning rate was last lowered."""
        return int(self._plateau.num_bad_epochs)

    def step(self, epoch: float) -> None:
        """Called by nnU-Net at the start of an epoch."""

    def observe(self, validation_loss: float) -> bool:
        """Take in the validation loss of an epoch; returns whether the learning rate was lowered."""
        before = self.lr
        self._plateau.step(validation_loss)
        return self.lr < before
