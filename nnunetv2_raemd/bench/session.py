"""Where and how often a benchmark measures, and to whom it says how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Session:
    """A device, a number of rounds, and a function that shows what is being done."""

    device: torch.device
    n_rounds: int
    say: Callable[[str], None]

    def rounds(self, what: str) -> Iterator[int]:
        """Numbers of rounds, each announced."""
        for round_ in range(self.n_rounds):
            self.say(f"{what}, round {round_ + 1} of {self.n_rounds}")
            yield round_
