"""Whether the axes of an image are at right angles, as those of all that scanners and nnU-Net write are.

MetaImage and others may state any axes. Libraries straighten them without a word, each in its own way, and
lengths and volumes come out wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnunetv2_raemd.errors import UserError

_TOLERANCE = 1e-3  # headers round


def are_at_right_angles(direction: Sequence[float]) -> bool:
    """Of a direction matrix as SimpleITK gives it, by rows: whether its columns are orthonormal."""
    n_axes = math.isqrt(len(direction))
    axes = np.reshape(direction, (n_axes, n_axes))
    return bool(np.allclose(axes.T @ axes, np.eye(n_axes), rtol=0, atol=_TOLERANCE))


def check_right_angles(direction: Sequence[float], file: Path) -> None:
    """Raise a `UserError` that names the file unless its axes are at right angles and of length 1."""
    if not are_at_right_angles(direction):
        shown = ", ".join(f"{part:.4g}" for part in direction)
        raise UserError(
            f"{file} has axes in its header that are not at right angles or not of length 1 ({shown}): write "
            "it again on an upright grid"
        )
