"""Which models the fixtures train, and scans to predict with them."""

from __future__ import annotations

import numpy as np
from nnunet_workspace import noisy_spheres

RAEMD = "nnUNetTrainerRAEMD_tiny"
STOCK = "nnUNetTrainer_tiny"
SEQUENTIALLY = ("-npp", 0, "-nps", 0)  # without processes that would have to import torch first
PREDICT = ("-c", "2d", "-tr", RAEMD, "-f", 0, "-device", "cpu", "--disable_progress_bar")


def volume(shape: tuple[int, int, int]) -> np.ndarray:
    """A scan that was not trained on, (z, y, x) in HU."""
    return noisy_spheres(100, shape)[0]
