"""Slices per sequence and sequences per batch, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from nnunetv2.configuration import ANISO_THRESHOLD

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.plans import load_preset
from nnunetv2_raemd.plans.sequences import Volumes, sequences_per_batch, slices_per_sequence

PRESET = replace(load_preset(), context_mm=20.0, min_slices=3, max_slices=16)
ROOMY = Volumes(
    slice_spacing_mm=2.5, n_slices=250, in_plane_size=(256, 256), slices_per_batch=48, slices_in_memory=1000
)


@pytest.mark.parametrize(
    ("spacing_mm", "n_slices"),
    [(1.25, 16), (2.5, 8), (5.0, 4), (3.0, 7), (0.625, 16), (10.0, 3), (999.0, 3)],
)
def test_context_in_mm_within_the_bounds_of_the_preset(spacing_mm: float, n_slices: int) -> None:
    assert slices_per_sequence(replace(ROOMY, slice_spacing_mm=spacing_mm), PRESET) == n_slices


@pytest.mark.parametrize(
    ("limit", "n_slices"),
    [
        ({"n_slices": 5}, 5),
        ({"n_slices": 2}, 2),
        ({"n_slices": 1}, 1),
        ({"slices_in_memory": 15}, 7),
        ({"slices_in_memory": 6}, 3),
        ({"n_slices": 2, "slices_in_memory": 4}, 2),
        ({"in_plane_size": (20, 16)}, 6),  # 20 is more than 3 times 6, not more than 3 times 7
        ({"in_plane_size": (16, 21)}, 6),
        ({"in_plane_size": (8, 8)}, 2),
        ({"in_plane_size": (2, 2)}, 1),
    ],
)
def test_scans_memory_and_patch_limit_a_sequence(limit: dict[str, Any], n_slices: int) -> None:
    assert slices_per_sequence(replace(ROOMY, **limit), PRESET) == n_slices


@pytest.mark.parametrize("widest", range(4, 60))
def test_a_sequence_is_as_deep_as_nnunets_slicewise_augmentation_allows(widest: int) -> None:
    n_slices = slices_per_sequence(replace(ROOMY, in_plane_size=(4, widest)), replace(PRESET, context_mm=40))
    assert widest / n_slices > ANISO_THRESHOLD
    assert n_slices == 16 or widest / (n_slices + 1) <= ANISO_THRESHOLD


@pytest.mark.parametrize(("n_slices", "in_memory"), [(250, 5), (2, 3), (1, 1), (1, 0)])
def test_two_shortest_sequences_must_fit(n_slices: int, in_memory: int) -> None:
    volumes = replace(ROOMY, n_slices=n_slices, slices_in_memory=in_memory)
    with pytest.raises(UserError, match=r"256 x 256 pixels do not fit .*gpu_memory_gb"):
        slices_per_sequence(volumes, PRESET)


@pytest.mark.parametrize(
    ("slices_per_batch", "in_memory", "n_sequences"),
    [(48, 1000, 6), (52, 1000, 6), (53, 1000, 7), (48, 40, 5), (48, 39, 4), (12, 1000, 2), (2, 1000, 2)],
)
def test_as_many_slices_as_nnunets_batch(slices_per_batch: int, in_memory: int, n_sequences: int) -> None:
    volumes = replace(ROOMY, slices_per_batch=slices_per_batch, slices_in_memory=in_memory)
    assert sequences_per_batch(volumes, 8) == n_sequences


def test_always_at_least_two_sequences_within_the_memory() -> None:
    spacings, memories, batches = (0.5, 1.25, 2.5, 7.0), range(6, 80, 3), (2, 12, 48, 500)
    for spacing_mm, in_memory, per_batch in product(spacings, memories, batches):
        volumes = replace(
            ROOMY, slice_spacing_mm=spacing_mm, slices_in_memory=in_memory, slices_per_batch=per_batch
        )
        n_slices = slices_per_sequence(volumes, PRESET)
        n_sequences = sequences_per_batch(volumes, n_slices)
        assert n_sequences >= 2
        assert n_sequences * n_slices <= in_memory
