"""The recurrence as its graph computes it, against the network's own."""

from __future__ import annotations

import pytest
import torch

from nnunetv2_raemd.architecture.conv_lstm import RecurrentFusion
from nnunetv2_raemd.deployment.recurrence_graph import added_by_neighbors


@pytest.mark.parametrize(("n_slices", "kernel_size"), [(2, (3, 3)), (5, (3, 1))])
def test_the_graphs_recurrence_adds_what_the_networks_does(
    n_slices: int, kernel_size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    recurrence = RecurrentFusion(6, 4, kernel_size)
    features = torch.randn(n_slices, 6, 7, 5)
    with torch.no_grad():
        added = added_by_neighbors(recurrence, features)
        torch.testing.assert_close(features + added, recurrence(features, n_slices))
    assert added.abs().max() > 0.1
