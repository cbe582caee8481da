"""When two networks count as equal, by logits written down by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nnunetv2_raemd.deployment.logit_agreement import compare


class Fixed(nn.Module):
    """Gives the same logits for any image."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, _: Tensor) -> Tensor:
        return self.logits[None]


def two_classes(*of_background: float) -> Tensor:
    """Logits (2, voxels): as given for the background, 0 for the other class."""
    background = torch.tensor(of_background)
    return torch.stack((background, torch.zeros_like(background)))


@pytest.mark.parametrize(
    ("expected", "found", "difference", "other_labels", "is_equal"),
    [
        ((10.0, -10.0), (10.005, -10.0), 0.005, 0.0, True),  # 0.001 of 10 is allowed
        ((10.0, -10.0), (10.02, -10.0), 0.02, 0.0, False),
        ((10.0, 1e-4), (10.0, -1e-4), 2e-4, 0.5, False),  # a tie that falls the other way: half of the voxels
        ((0.5, -0.5), (0.5, -0.4995), 5e-4, 0.0, True),  # of small logits, 0.001 is allowed
    ],
)
def test_differences_and_other_labels(
    expected: tuple[float, ...],
    found: tuple[float, ...],
    difference: float,
    other_labels: float,
    is_equal: bool,
) -> None:
    block = torch.zeros(1, 2)
    agreement = compare(Fixed(two_classes(*expected)), Fixed(two_classes(*found)), [block, block])
    assert agreement.largest_difference == pytest.approx(difference, rel=1e-2)
    assert agreement.other_labels == other_labels
    assert agreement.n_voxels == 4
    assert agreement.is_equal == is_equal
