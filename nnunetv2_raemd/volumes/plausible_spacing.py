"""Whether voxels can have the size that is said of them, or whether it is in another unit than mm.

Sizes in meters (0.0007) or micrometers (700) would give lengths and volumes that are wrong by powers of ten.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

FINEST_MM, COARSEST_MM = 0.01, 50.0
"""Of the micro-CT of animals, and of single slices far apart."""
_FINEST_OF_PATIENTS_MM = 0.1  # 200 mm by 2048 pixels, of CT of the highest resolution


def implausible_spacing(spacing_mm: Sequence[float], size: Sequence[int]) -> str | None:
    """What is wrong with a spacing, to follow what has it; None where it is plausible.

    Args:
        size: voxels along the same axes. Of one slice, nnU-Net writes any distance to the next.
    """
    counted = [mm for mm, n_voxels in zip(spacing_mm, size, strict=True) if n_voxels > 1]
    if all(FINEST_MM <= mm <= COARSEST_MM for mm in counted):
        return None
    if not all(0 < mm < math.inf for mm in counted):
        return f"a spacing of {_shown(spacing_mm)} mm: each must be a number above 0"
    return (
        f"a spacing of {_shown(spacing_mm)} mm, which no CT has. It seems to be in another unit: write it "
        "again in millimeters"
    )


def about_spacing(spacing_mm: Sequence[float]) -> str | None:
    """A remark on voxels that are finer than those of any scanner for patients; None for others."""
    if min(spacing_mm) >= _FINEST_OF_PATIENTS_MM:
        return None
    return (
        f"its voxels of {_shown(spacing_mm)} mm are finer than those of any clinical CT: if the header is in "
        "centimeters, all lengths are ten times too short"
    )


def _shown(spacing_mm: Sequence[float]) -> str:
    return " x ".join(f"{mm:g}" for mm in spacing_mm)
