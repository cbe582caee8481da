"""How many slices make a sequence (T), and how many sequences a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.plans.preset import Preset

MIN_SEQUENCES = 2  # one with a lesion, one drawn at random: nnU-Net's foreground oversampling needs both
# nnU-Net augments slice by slice (its dummy 2D mode) where a patch is more than 3 times as wide as deep
MAX_DEPTH_TO_WIDTH = 3


@dataclass(frozen=True)
class Volumes:
    """What decides about sequences in a dataset and its nnU-Net configuration.

    `slice_spacing_mm` and `n_slices` are medians over the dataset, `slices_per_batch` what nnU-Net's plan
    trains on at once, `slices_in_memory` how many the memory budget allows.
    """

    slice_spacing_mm: float
    n_slices: int
    in_plane_size: tuple[int, int]
    slices_per_batch: int
    slices_in_memory: int


def slices_per_sequence(volumes: Volumes, preset: Preset) -> int:
    """T: enough slices for the preset's context, within its bounds, the volumes, the patch and the memory.

    Raises:
        UserError: if not even the fewest slices fit the memory.
    """
    wanted = math.ceil(preset.context_mm / volumes.slice_spacing_mm)
    wanted = min(max(wanted, preset.min_slices), preset.max_slices)
    fewest = min(preset.min_slices, volumes.n_slices)
    in_memory = volumes.slices_in_memory // MIN_SEQUENCES
    if in_memory < fewest:
        rows, columns = volumes.in_plane_size
        raise UserError(
            f"{MIN_SEQUENCES} sequences of {fewest} slices of {rows} x {columns} pixels do not fit "
            f"the memory the plan may take ({preset.gpu_memory_gb:g} GB or what nnU-Net planned with): plan "
            "again with a higher -gpu_memory_target, or use `raemd plan --preset` with a preset of higher "
            "gpu_memory_gb or lower min_slices"
        )
    widest_2d = (max(volumes.in_plane_size) - 1) // MAX_DEPTH_TO_WIDTH
    return max(1, min(wanted, volumes.n_slices, in_memory, widest_2d))


def sequences_per_batch(volumes: Volumes, n_slices: int) -> int:
    """B: about as many slices in all as nnU-Net's batch, within the memory, and at least two sequences."""
    like_nnunet = round(volumes.slices_per_batch / n_slices)
    return max(MIN_SEQUENCES, min(like_nnunet, volumes.slices_in_memory // n_slices))
