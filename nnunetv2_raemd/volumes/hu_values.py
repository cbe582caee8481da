"""Whether the voxels of a CT can be HU: files that other programs write often hold them plus 1024."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

AIR_HU = -500
LEAST_AIR = 1e-3
_LOWEST_HU, _HIGHEST_HU = -4096, 32767  # padding and metal lie within
_ASKED = 4  # one in so many slices


def unlike_hu(voxels: NDArray[Any]) -> str | None:
    """Why the voxels (slices first) do not look like HU; None where they do.

    There is air in the lungs and round every patient, and no CT has many voxels far below it.
    """
    asked = voxels[::_ASKED]
    if np.mean(asked < AIR_HU) < LEAST_AIR:
        why = f"fewer than one voxel in a thousand is air (below {AIR_HU} HU)"
    elif np.mean((asked < _LOWEST_HU) | (asked > _HIGHEST_HU)) > LEAST_AIR:
        why = f"more than one voxel in a thousand lies beyond {_LOWEST_HU} or {_HIGHEST_HU} HU"
    else:
        return None
    return f"its values do not look like HU (from {voxels.min():g} to {voxels.max():g}): {why}"
