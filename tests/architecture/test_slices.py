"""Folding slices into the batch and back."""

import torch

from nnunetv2_raemd.architecture.slices import fold_slices, unfold_slices


def test_slice_t_of_sequence_b_lands_at_b_times_t() -> None:
    volume = torch.randn(2, 3, 5, 4, 6)
    slices = fold_slices(volume)
    for b in range(2):
        for t in range(5):
            assert torch.equal(slices[b * 5 + t], volume[b, :, t])


def test_unfold_is_the_inverse() -> None:
    volume = torch.randn(2, 3, 5, 4, 6)
    assert torch.equal(unfold_slices(fold_slices(volume), 5), volume)
