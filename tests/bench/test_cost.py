"""Arithmetic, bytes and memory of networks that are small enough to be counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nnunetv2_raemd.bench.cost import Cost, cost_of
from nnunetv2_raemd.bench.peers import make_peers
from nnunetv2_raemd.bench.sizes import Sizes
from nnunetv2_raemd.bench.step_memory import kept_for_backward, step_memory
from nnunetv2_raemd.bench.training_step import TrainingStep
from nnunetv2_raemd.training.averaged_muon import is_matrix

FLOAT = 4
PIXELS = 8 * 8
# a multiply-add is two operations
FIRST, SECOND = 2 * 1 * 4 * 3 * 3 * PIXELS, 2 * 4 * 2 * PIXELS


@pytest.fixture
def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 2, 1))


@pytest.fixture
def image() -> torch.Tensor:
    return torch.ones(1, 1, 8, 8)


def test_forward(network: nn.Module, image: torch.Tensor) -> None:
    with torch.no_grad():
        cost = cost_of(lambda: network(image))
    weights = 4 * 9 + 4 + 2 * 4 + 2
    assert cost == Cost(flops=FIRST + SECOND, bytes=FLOAT * (weights + PIXELS * (1 + 4 + 4 + 2)))


def test_backward_is_once_for_weights_and_once_for_inputs_that_need_it(
    network: nn.Module, image: torch.Tensor
) -> None:
    cost = cost_of(lambda: network(image).sum().backward())
    assert cost.flops == 2 * FIRST + 3 * SECOND


@pytest.mark.parametrize(
    ("convolution", "multiply_adds"),
    [
        (nn.Conv2d(8, 8, 3, padding=1), 8 * 8 * 9 * PIXELS),
        (nn.Conv2d(8, 8, 3, padding=1, groups=2), 8 * 4 * 9 * PIXELS),
        (nn.Conv2d(8, 4, 3, padding=1, stride=2), 8 * 4 * 9 * PIXELS // 4),
        (nn.ConvTranspose2d(8, 4, 2, stride=2), 8 * 4 * 4 * PIXELS),
    ],
)
def test_each_gradient_takes_as_much_as_the_convolution(convolution: nn.Module, multiply_adds: int) -> None:
    features = torch.ones(1, 8, 8, 8, requires_grad=True)
    cost = cost_of(lambda: convolution(features).sum().backward())
    assert cost.flops == 3 * 2 * multiply_adds


def test_an_operation_moves_what_it_reads_and_writes_and_a_view_nothing() -> None:
    a, b = torch.ones(10, 10), torch.ones(10, 10)
    assert cost_of(lambda: a + b).bytes == 3 * 100 * FLOAT
    assert cost_of(a.relu_).bytes == 2 * 100 * FLOAT
    assert cost_of(lambda: a.T[2:].reshape(4, 20)).bytes == 2 * 80 * FLOAT  # transposed: must be copied
    assert cost_of(lambda: a[2:].unflatten(0, (4, 2))).bytes == 0
    assert cost_of(a.half).bytes == 100 * (FLOAT + 2)


def test_what_is_kept_for_the_backward_pass(image: torch.Tensor) -> None:
    """A sigmoid keeps its output, a ReLU too; the convolution's input is the image, which is not counted."""
    network = nn.Sequential(nn.Conv2d(1, 4, 1), nn.Sigmoid(), nn.Conv2d(4, 3, 1), nn.ReLU())
    assert kept_for_backward(network, image) == FLOAT * PIXELS * (4 + 3)


def test_memory_of_a_step_holds_weights_gradients_and_optimizer() -> None:
    """SGD keeps one value per weight, averaged Adam three and Muon two, both with a counter per tensor."""
    sizes = Sizes(16, slices=2, sequence=1, features=16)
    for name, is_ours in (("nnunet-2d", False), ("raemd-off", True)):
        step = TrainingStep(make_peers([name], sizes)[0], torch.device("cpu"))
        step()
        weights = FLOAT * sum(weight.numel() for weight in step.network.parameters())
        # the coarsest head has no weight in the loss, hence neither gradient nor optimizer state
        trained = [weight for weight in step.network.parameters() if weight.grad is not None]
        per_weight = [(2 if is_matrix(weight) else 3) if is_ours else 1 for weight in trained]
        assert set(per_weight) == ({2, 3} if is_ours else {1})
        with_state = FLOAT * sum(
            weight.numel() * (1 + n) for weight, n in zip(trained, per_weight, strict=True)
        )
        counters = FLOAT * len(trained) if is_ours else 0
        data = step.images.numel() * FLOAT + sum(target.numel() for target in step.targets) * 2
        kept = kept_for_backward(step.network, step.images)
        expected = weights + with_state + counters + data + kept
        assert step_memory(step) == (expected, "kept for backward")
