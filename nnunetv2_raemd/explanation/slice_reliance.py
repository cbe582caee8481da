"""What the recurrence adds: the lesion's probability with and without its neighbouring slices.

The recurrence is run on the middle slice of the lesion alone, then with one neighbour on either side, and so
on. Everything else sees single slices anyway. The network learnt on sequences, so short ones are unusual for
it: it is the change from one number of neighbours to the next that tells, less the first value.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nnunetv2_raemd.architecture.slices import fold_slices
from nnunetv2_raemd.explanation.lesion_window import LesionWindow
from nnunetv2_raemd.prediction.sliced_network import SlicedNetwork

_NEARLY = 0.9
_NOTHING = 0.01


@dataclass(frozen=True)
class SliceReliance:
    """Mean probability of the lesion in its middle slice.

    Attributes:
        by_reach: with 0, 1, 2 ... neighbours on either side.
    """

    by_reach: tuple[float, ...]

    @property
    def added(self) -> float:
        """What all neighbours add to the slice alone."""
        return self.by_reach[-1] - self.by_reach[0]

    @property
    def reach(self) -> int:
        """So many neighbours on either side make nine tenths of that; 0 where they add nothing."""
        if abs(self.added) < _NOTHING:
            return 0
        shares = [(value - self.by_reach[0]) / self.added for value in self.by_reach]
        return next(reach for reach in range(len(shares)) if min(shares[reach:]) >= _NEARLY)


@torch.inference_mode()
def slice_reliance(network: SlicedNetwork, window: LesionWindow) -> SliceReliance:
    """Run the recurrence again and again, with more and more neighbours."""
    *finer, deepest = network.encode(fold_slices(window.image))
    middle, n_slices = window.middle, len(deepest)
    own = [stage[middle : middle + 1] for stage in finer]
    roi = window.roi[middle]
    found = []
    for reach in range(max(middle, n_slices - 1 - middle) + 1):
        low, high = max(middle - reach, 0), min(middle + reach + 1, n_slices)
        (fused,) = network.recur([deepest[low:high]], high - low)
        logits = network.decode([*own, fused[middle - low : middle - low + 1]])[0]
        found.append(float(window.probability(logits[:, :, None])[0, 0][roi].mean()))
    return SliceReliance(tuple(found))
