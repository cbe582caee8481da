"""Whether the voxels of a CT can be HU: files that other programs write often hold them plus or less 1024."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

AIR_HU = -500
LEAST_AIR = 1e-3
_LOWEST_HU, _HIGHEST_HU = -4096, 32767  # padding and metal lie within
# Compact bone and metal alone are denser: less than a hundredth of real scans, and a fifth and more of those
# that hold HU plus 1024, whose soft tissue lies there
_DENSE_HU, _MOST_DENSE = 850, 0.1
# Nothing lies between air with its noise and padding: there fall the lungs and fat of scans whose intercept
# was added twice
_VOID_HU, _MOST_IN_VOID = (-1980, -1200), 0.1
_SHIFT_HU = 1024  # what scanners add to store no negative numbers
_ASKED = 4  # one in so many slices


def unlike_hu(voxels: NDArray[Any]) -> str | None:
    """Why the voxels (slices first) do not look like HU, and what they may be; None where they do.

    There is air in the lungs and round every patient, and most of the body is about as dense as water.
    """
    asked = _in_view(voxels[::_ASKED])
    why = _unlike(asked)
    if why is None:
        return None
    return (
        f"its values do not look like HU (from {voxels.min():g} to {voxels.max():g}): {why}{_shifted(asked)}"
    )


def _in_view(voxels: NDArray[Any]) -> NDArray[Any]:
    """All but the padding outside of a scanner's circular field of view, in one dimension where there is any.

    It is one number far below air: -2000, -3024, and -8192 where scanners count photons.
    """
    lowest = voxels.min()
    in_view = voxels[voxels != lowest] if lowest < _VOID_HU[0] else voxels
    return in_view if in_view.size else voxels


def _unlike(voxels: NDArray[Any]) -> str | None:
    if np.mean(voxels < AIR_HU) < LEAST_AIR:
        return f"fewer than one voxel in a thousand is air (below {AIR_HU} HU)"
    if np.mean((voxels < _LOWEST_HU) | (voxels > _HIGHEST_HU)) > LEAST_AIR:
        return f"more than one voxel in a thousand lies beyond {_LOWEST_HU} or {_HIGHEST_HU} HU"
    if np.mean(voxels > _DENSE_HU) > _MOST_DENSE:
        return f"more than one voxel in ten is as dense as bone (above {_DENSE_HU} HU)"
    lowest, highest = _VOID_HU
    if np.mean((voxels > lowest) & (voxels < highest)) > _MOST_IN_VOID:
        return f"more than one voxel in ten is far lighter than air ({lowest} to {highest} HU)"
    return None


def _shifted(voxels: NDArray[Any]) -> str:
    """What to do about HU that a rescale intercept has shifted; nothing where that does not explain them."""
    values = voxels.astype(np.float32)
    for shift, found, undo in ((-_SHIFT_HU, "plus", "subtract"), (_SHIFT_HU, "less", "add")):
        if _is_thorax(values + shift):
            return f". They seem to be HU {found} 1024 or 1000 (a scanner's rescale intercept): {undo} it"
    return ""


def _is_thorax(values: NDArray[Any]) -> bool:
    """Whether they look like HU of lungs and soft tissue, which small numbers less 1024 do not."""
    return _unlike(values) is None and bool(np.mean(values > AIR_HU) > LEAST_AIR)
