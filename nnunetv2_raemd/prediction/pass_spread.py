"""How far the passes of a prediction (folds, mirrored images) agree, voxel by voxel.

With p_k the class probabilities of pass k of K, and H the entropy in nats:

    entropy              H(mean of p_k)                         all uncertainty
    mutual information   H(mean of p_k) - mean of H(p_k)        what the passes disagree about

as for deep ensembles and Monte Carlo dropout (Houlsby et al. 2011; Gal et al. 2017). Where every pass is
unsure in the same way the first is high and the second 0: the image does not tell. Of regions, which may
overlap, each has a probability of its own, and the entropies are the means of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nnunetv2_raemd.prediction.column import Column

EXPLANATIONS = {
    "entropy": "Entropy of the mean class probabilities, in nats",
    "mutual_information": "What folds and mirrored passes disagree about, in nats",
}
KINDS = tuple(EXPLANATIONS)
_TINY = 1e-12  # 0 log 0 is 0


class PassSpread:
    """Collects the passes of one scan: mean class probabilities and mean entropy, in single precision.

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
        self._run = torch.zeros((heads + 1, *size))

    def add(
        self, tile: tuple[slice, slice], axes: tuple[int, ...], slices: slice, logits: Tensor, share: Tensor
    ) -> None:
        """One pass over some slices of a tile: logits (slices, heads, H, W) and its share of each pixel."""
        assert self._run is not None
        values = logits.float().cpu()
        probability = values.sigmoid() if self._regions else values.softmax(1)
        both = torch.cat([probability, self._entropy(probability)], dim=1)
        Column(self._run[:, :, tile[0], tile[1]], axes).add(
            slices.start, slices.stop, both, share.float().cpu()
        )

    def end(self, inside: tuple[slice, ...]) -> None:
        """The run is over; `inside` is the scan in what was padded."""
        assert self._run is not None
        run = self._run[:, inside[0], inside[1], inside[2]]
        self._total = run.clone() if self._total is None else self._total.add_(run)
        self._run, self._n_runs = None, self._n_runs + 1

    def maps(self) -> Tensor:
        """The maps of `KINDS` (2, Z, Y, X); not negative."""
        assert self._total is not None
        means = self._total / self._n_runs
        entropy = self._entropy(means[None, :-1])[0]
        return torch.cat([entropy, entropy - means[-1:]]).clamp_(min=0)

    @property
    def empty(self) -> bool:
        """Whether no pass was seen: the network was predicted in another way."""
        return self._total is None

    def _entropy(self, probability: Tensor) -> Tensor:
        """(N, heads, ...) to (N, 1, ...)."""
        own = -probability * (probability + _TINY).log()
        if not self._regions:
            return own.sum(1, keepdim=True)
        other = 1 - probability
        return (own - other * (other + _TINY).log()).mean(1, keepdim=True)
