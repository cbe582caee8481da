"""How far the passes of a prediction (folds, mirrored images) agree, voxel by voxel.

With p_k the class probabilities of pass k of K, and H the entropy in nats:

    entropy              H(mean of p_k)                         all uncertainty
    mutual information   H(mean of p_k) - mean of H(p_k)        what the passes disagree about

as for deep ensembles and Monte Carlo dropout (Houlsby et al. 2011; Gal et al. 2017). Where every pass is
unsure in the same way the first is high and the second 0: the image does not tell. Of regions, which may
overlap, each has a probability of its own, and the entropies are the means of theirs.

The means are kept as 16 bit integers, in as much memory as the logits take.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nnunetv2_raemd.prediction.column import Column

ENTROPY, MUTUAL_INFORMATION = "entropy", "mutual_information"
EXPLANATIONS = {
    ENTROPY: "Entropy of the mean class probabilities, in nats",
    MUTUAL_INFORMATION: "What folds and mirrored passes disagree about, in nats",
}
KINDS = tuple(EXPLANATIONS)
STEPS = 30240
"""of the integers from 0 to 1: the shares of up to 10 folds with 1, 2 or 4 mirrored passes are whole"""
_TINY = 1e-12  # 0 log 0 is 0


@dataclass(frozen=True)
class SpreadMap:
    """One of `KINDS` for all voxels; slices are made when they are asked for.

    Attributes:
        means: mean probabilities of `PassSpread`, then the mean entropy, in `STEPS` (channels, Z, Y, X).
        regions: whether the probabilities are of regions and not of classes.
    """

    kind: str
    means: NDArray[np.int16]
    regions: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """(1, Z, Y, X)."""
        return (1, *self.means.shape[1:])

    @property
    def dtype(self) -> Any:
        return np.dtype(np.float32)

    def __getitem__(self, index: tuple[slice, int]) -> NDArray[np.float32]:
        """`[:, k]` alone: slice k, (1, Y, X), in nats; not negative."""
        _, k = index
        means = torch.from_numpy(self.means[:, k].astype(np.float32) / STEPS)
        probability = means[:-1].clamp(0, 1)
        if not self.regions:
            background = (1 - probability.sum(0, keepdim=True)).clamp(min=0)
            probability = torch.cat([background, probability])
        found = _entropy(probability[None], self.regions)[0]
        if self.kind == MUTUAL_INFORMATION:
            found -= means[-1:] * _largest_entropy(len(probability), self.regions)
        values: NDArray[np.float32] = found.clamp_(min=0).numpy()
        return values

    def filled(self) -> NDArray[np.float32]:
        """All of it at once."""
        return np.stack([self[:, k] for k in range(self.shape[1])], axis=1)


class PassSpread:
    """Collects the passes of one scan: mean class probabilities and mean entropy.

    Of classes, the first (background) is what the others leave.

    Args:
        regions: whether the heads are regions (sigmoid) and not classes (softmax).
    """

    def __init__(self, *, regions: bool) -> None:
        self._regions = regions
        self._n_runs = 0
        self._run: Tensor | None = None
        self._total: Tensor | None = None

    def begin(self, shape: Sequence[int]) -> None:
        """A run over all passes of a network, whose shares sum up to 1 at every voxel of logits' shape.

        A run that was broken off (out of memory) is forgotten.
        """
        heads, *size = shape
        self._run = None  # before there is another
        self._run = torch.zeros((heads + self._regions, *size), dtype=torch.int16)

    def add(
        self, tile: tuple[slice, slice], axes: tuple[int, ...], slices: slice, logits: Tensor, share: Tensor
    ) -> None:
        """One pass over some slices of a tile: logits (slices, heads, H, W) and its share of each pixel."""
        assert self._run is not None
        values = logits.float().cpu()
        probability = values.sigmoid() if self._regions else values.softmax(1)
        entropy = _entropy(probability, self._regions)
        entropy /= _largest_entropy(probability.shape[1], self._regions)
        kept = probability if self._regions else probability[:, 1:]
        Column(self._run[:, :, tile[0], tile[1]], axes).add(
            slices.start, slices.stop, torch.cat([kept, entropy], dim=1), STEPS * share.float().cpu()
        )

    def end(self, inside: tuple[slice, ...]) -> None:
        """The run is over; `inside` is the scan in what was padded."""
        assert self._run is not None
        run = self._run[:, inside[0], inside[1], inside[2]]
        if self._total is None:
            self._total = run
        else:
            for total, of_run in zip(self._total.unbind(1), run.unbind(1), strict=True):
                mean = (total.float() * self._n_runs + of_run.float()) / (self._n_runs + 1)
                total.copy_(mean.round())
        self._run, self._n_runs = None, self._n_runs + 1

    def maps(self) -> tuple[SpreadMap, ...]:
        """Those of `KINDS`, in this order."""
        assert self._total is not None
        means = self._total.numpy()
        return tuple(SpreadMap(kind, means, self._regions) for kind in KINDS)

    @property
    def empty(self) -> bool:
        """Whether no pass was seen: the network was predicted in another way."""
        return self._total is None


def _entropy(probability: Tensor, regions: bool) -> Tensor:
    """(N, heads, ...) to (N, 1, ...)."""
    own = -probability * (probability + _TINY).log()
    if not regions:
        return own.sum(1, keepdim=True)
    other = 1 - probability
    return (own - other * (other + _TINY).log()).mean(1, keepdim=True)


def _largest_entropy(heads: int, regions: bool) -> float:
    """Where all classes, or a region and what is outside of it, have the same probability."""
    return math.log(2 if regions else heads)
