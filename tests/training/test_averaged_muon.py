"""Muon's steps against singular values worked out one by one, and against torch's own Muon."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from nnunetv2_raemd.training.averaged_adamw import AveragedAdamW
from nnunetv2_raemd.training.averaged_muon import MIN_SIDE, AveragedMuon, is_matrix, orthogonalized

A, B, C = 3.4445, -4.7750, 2.0315


def iterated(singular_value: float) -> float:
    """What Jordan's quintic makes of one singular value in five iterations."""
    for _ in range(5):
        singular_value = A * singular_value + B * singular_value**3 + C * singular_value**5
    return singular_value


def small_network() -> nn.Sequential:
    """A first layer, a hidden one that is a matrix of 16 x 144, a norm, and a last layer."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.InstanceNorm2d(16, affine=True), nn.Conv2d(16, 16, 3), nn.Conv2d(16, 2, 1)
    )


def train(network: nn.Module, optimizer: torch.optim.Optimizer, n_steps: int) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(n_steps):
        optimizer.zero_grad()
        network(torch.randn((2, 1, 8, 8), generator=generator)).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("shape", [(16, 144), (40, 40), (90, 20)])
def test_each_singular_value_is_iterated_and_the_directions_stay(shape: tuple[int, int]) -> None:
    torch.manual_seed(2)
    matrix = torch.randn(shape, dtype=torch.float64)
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    expected = u @ torch.diag(torch.tensor([iterated(float(x)) for x in s / s.norm()])).double() @ v
    torch.testing.assert_close(orthogonalized(matrix), expected, atol=1e-4, rtol=1e-3)
    singular_values = torch.linalg.svdvals(orthogonalized(matrix))
    assert singular_values.max() < 1.25
    assert singular_values.median() > 0.65


def test_a_matrix_of_zeros_stays_one() -> None:
    assert torch.equal(orthogonalized(torch.zeros(16, 20)), torch.zeros(16, 20))


def test_it_is_exact_within_mixed_precision_too() -> None:
    torch.manual_seed(3)
    matrix = torch.randn(32, 64)
    with torch.autocast("cpu", torch.bfloat16):
        within = orthogonalized(matrix)
    torch.testing.assert_close(within, orthogonalized(matrix))


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon: 2.9 and later have")
@pytest.mark.parametrize("shape", [(16, 8, 3, 3), (64, 32, 1, 1)])
def test_the_steps_of_a_kernel_are_those_of_torchs_muon(shape: tuple[int, ...]) -> None:
    """At ten times the rate. torch iterates in bfloat16, so steps agree to hundredths of their length."""
    torch.manual_seed(4)
    ours = nn.Parameter(torch.randn(shape))
    theirs = nn.Parameter(ours.detach().flatten(1).clone())
    start = theirs.detach().clone()
    optimizers = (
        AveragedMuon([ours], 0.01, weight_decay=0.1, average_decay=0.0),
        torch.optim.Muon(
            [theirs], 0.1, weight_decay=0.01, momentum=0.95, nesterov=True, adjust_lr_fn="original"
        ),
    )
    for _ in range(10):
        gradient = torch.randn_like(theirs)
        ours.grad, theirs.grad = gradient.view_as(ours).clone(), gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    moved = (theirs.detach() - start).norm()
    assert (ours.detach().flatten(1) - theirs.detach()).norm() < 0.03 * moved


@pytest.mark.parametrize(("shape", "longer"), [((64, 64, 3, 3), 1.0), ((64, 16, 1, 1), 2.0)])
def test_the_first_step_is_as_long_as_the_learning_rate_says(shape: tuple[int, ...], longer: float) -> None:
    """Singular values of 0.7 to 1.2, times ten rates, times the root of rows by columns if there are more."""
    weight = nn.Parameter(torch.zeros(shape))
    weight.grad = torch.randn_like(weight)
    AveragedMuon([weight], 0.01, weight_decay=0.0, average_decay=0.0).step()
    in_each_direction = torch.linalg.svdvals(weight.detach().flatten(1)) / (0.1 * longer)
    assert in_each_direction.median() > 0.6 and in_each_direction.max() < 1.25


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((16, 16, 3, 3), True),
        ((32, 1, 3, 3), False),  # the first layer: 9 columns
        ((2, 64, 1, 1), False),  # the last layer: 2 rows
        ((64, 32, 2, 2), True),
        ((16, 16, 3, 3, 3), True),
        ((MIN_SIDE, MIN_SIDE), True),
        ((MIN_SIDE, MIN_SIDE - 1), False),
        ((256,), False),
    ],
)
def test_which_weights_are_matrices(shape: tuple[int, ...], expected: bool) -> None:
    assert is_matrix(torch.zeros(shape)) is expected


def test_all_but_matrices_take_the_steps_of_adamw() -> None:
    """The hidden kernel is taken away from both: nothing else may differ."""
    muon, adam = small_network(), small_network()
    for network, kind in ((muon, AveragedMuon), (adam, AveragedAdamW)):
        hidden = network[2]
        assert isinstance(hidden, nn.Conv2d)
        hidden.weight.requires_grad_(False)
        train(network, kind(network.parameters(), 0.01, weight_decay=0.01, average_decay=0.9), 5)
    for ours, theirs in zip(muon.parameters(), adam.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_gradients_are_still_there_after_the_step() -> None:
    network = small_network()
    train(network, AveragedMuon(network.parameters(), 0.01, weight_decay=0.0, average_decay=0.9), 1)
    assert all(weight.grad is not None for weight in network.parameters())


def test_averages_follow_matrices_too() -> None:
    network = small_network()
    optimizer = AveragedMuon(network.parameters(), 0.01, weight_decay=0.0, average_decay=0.9)
    kernel = next(weight for weight in network.parameters() if is_matrix(weight))
    train(network, optimizer, 1)
    first = kernel.detach().clone()
    train(network, optimizer, 1)
    second = kernel.detach().clone()
    optimizer.use_averages()
    decay = 3 / 12  # (1 + n) / (10 + n) for n = 2
    torch.testing.assert_close(kernel.detach(), decay * first + (1 - decay) * second)


def test_a_saved_state_goes_on_as_if_nothing_had_been() -> None:
    network = small_network()
    optimizer = AveragedMuon(network.parameters(), 0.01, weight_decay=0.01, average_decay=0.9)
    train(network, optimizer, 4)
    again = small_network()
    again.load_state_dict(copy.deepcopy(network.state_dict()))
    restored = AveragedMuon(again.parameters(), 0.5, weight_decay=0.3, average_decay=0.9)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(network, optimizer, 3)
    train(again, restored, 3)
    for weight, other in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(weight, other)
    assert math.isfinite(sum(float(weight.detach().sum()) for weight in again.parameters()))
