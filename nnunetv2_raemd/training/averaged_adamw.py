"""AdamW that also keeps a moving average of the weights, for validation and prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW
from torch.optim.swa_utils import get_ema_multi_avg_fn

AVERAGE = "average"


class AveragedAdamW(AdamW):
    """torch's AdamW with an exponential moving average of the weights (Polyak and Juditsky, 1992).

    Without weight decay it takes the steps of Adam. After step n the average moves towards the weights by
    1 - d, with d = min(`average_decay`, (1 + n) / (10 + n)): the first weights are soon forgotten. A decay of
    0 makes the average the weights themselves.

    The average lies in the optimizer's state beside Adam's moments, so nnU-Net's checkpoints keep it.
    `exchange` puts it into the network and the weights in its place; called again, it puts them back.

    Raises:
        ValueError: if `average_decay` is not at least 0 and below 1.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float, *, weight_decay: float, average_decay: float
    ) -> None:
        if not 0 <= average_decay < 1:
            raise ValueError(f"average_decay must be at least 0 and below 1, got {average_decay}")
        # all tensors of a step in one call: loops over many small ones took a twentieth of a training step
        super().__init__(params, lr=lr, weight_decay=weight_decay, foreach=True)
        self.average_decay = average_decay
        self.averages_in_network = False

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """AdamW's step, then the average's.

        Raises:
            RuntimeError: if the network holds the averages, which must not be trained.
        """
        if self.averages_in_network:
            raise RuntimeError("the network holds averaged weights: exchange them before a training step")
        result = self._take_step(closure)
        self._follow()
        return result

    def _take_step(self, closure: Callable[[], Any] | None) -> Any:
        return super().step(closure)

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averages towards the weights; a weight's own is the first of its average."""
        by_steps: dict[float, tuple[list[Tensor], list[Tensor]]] = {}
        for weight, state in self.state.items():
            if AVERAGE not in state:
                state[AVERAGE] = weight.detach().clone()
            averages, weights = by_steps.setdefault(float(state["step"]), ([], []))
            averages.append(state[AVERAGE])
            weights.append(weight.detach())
        for n_steps, (averages, weights) in by_steps.items():
            decay = min(self.average_decay, (1 + n_steps) / (10 + n_steps))
            get_ema_multi_avg_fn(decay)(averages, weights, n_steps)

    @torch.no_grad()
    def exchange(self) -> None:
        """Swap the network's weights with what is kept beside them; weights never trained have nothing."""
        self.averages_in_network = not self.averages_in_network
        for weight, state in self.state.items():
            if AVERAGE in state:
                kept = weight.detach().clone()
                weight.copy_(state[AVERAGE])
                state[AVERAGE] = kept

    def use_averages(self) -> None:
        """Put the averages into the network, unless they are there."""
        if not self.averages_in_network:
            self.exchange()

    def use_weights(self) -> None:
        """Put the weights that training goes on with into the network, unless they are there."""
        if self.averages_in_network:
            self.exchange()
