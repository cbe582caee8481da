"""What the network makes of a scan, on its way to the export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nnunetv2_raemd.prediction.pass_spread import SpreadMap  # imports torch


@dataclass
class NetworkResult:
    """Of one scan.

    Attributes:
        logits: (classes, Z, Y, X); None once they are taken.
        maps: of uncertainty, where they are wanted.
    """

    logits: np.ndarray | None
    maps: tuple[SpreadMap, ...] = ()

    def take_logits(self) -> np.ndarray:
        """The logits, which are let go of: they take as much memory as the scan, and lesions are listed next.

        Raises:
            ValueError: if they were taken before.
        """
        logits, self.logits = self.logits, None
        if logits is None:
            raise ValueError("the logits of this scan were taken before")
        return logits
