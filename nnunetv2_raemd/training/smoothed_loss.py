"""The validation loss with its noise averaged out."""

from __future__ import annotations


class SmoothedLoss:
    """Exponential moving average, started at the first value.

    nnU-Net's validation loss of an epoch comes from a few random patches, many without a lesion. Of its
    noise a moving average with smoothing s leaves sqrt((1 - s) / (1 + s)) (a third for 0.8), and as it
    follows a falling loss with a delay it keeps falling for a while: neither noise nor the steep first
    epochs look like a plateau.
    """

    def __init__(self, smoothing: float) -> None:
        if not 0 <= smoothing < 1:
            raise ValueError(f"smoothing must be at least 0 and below 1, got {smoothing}")
        self.smoothing = smoothing
        self.value: float | None = None

    def update(self, loss: float) -> float:
        """Take in the loss of one more epoch; returns the average."""
        previous = loss if self.value is None else self.value
        self.value = self.smoothing * previous + (1 - self.smoothing) * loss
        return self.value
