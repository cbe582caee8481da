"""The averaged weights against sums written out by hand, and against torch's own Adam."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from nnunetv2_raemd.training.averaged_adamw import AveragedAdamW


def trained(
    n_steps: int, *, average_decay: float = 0.9
) -> tuple[nn.Linear, AveragedAdamW, list[torch.Tensor]]:
    """A small regression after some steps, its optimizer, and the weights after each step."""
    torch.manual_seed(0)
    network = nn.Linear(3, 2)
    optimizer = AveragedAdamW(network.parameters(), 0.05, weight_decay=0.0, average_decay=average_decay)
    return network, optimizer, train(network, optimizer, n_steps)


def train(network: nn.Linear, optimizer: torch.optim.Optimizer, n_steps: int) -> list[torch.Tensor]:
    """Some steps of the regression; the weights after each."""
    x, y = torch.randn(8, 3), torch.randn(8, 2)
    history = []
    for _ in range(n_steps):
        optimizer.zero_grad()
        (network(x) - y).square().mean().backward()
        optimizer.step()
        history.append(network.weight.detach().clone())
    return history


def test_without_weight_decay_its_steps_are_adams() -> None:
    ours, _, _ = trained(25)
    torch.manual_seed(0)
    adams = nn.Linear(3, 2)
    train(adams, torch.optim.Adam(adams.parameters(), lr=0.05), 25)
    torch.testing.assert_close(ours.weight, adams.weight)


def test_the_average_is_the_recursion_written_out() -> None:
    network, optimizer, history = trained(30)
    expected = history[0]
    for n, weight in enumerate(history[1:], start=2):
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * weight
    optimizer.use_averages()
    torch.testing.assert_close(network.weight.detach(), expected)
    assert not torch.allclose(expected, history[-1], atol=1e-4)


def test_no_average_is_the_weights_themselves() -> None:
    network, optimizer, history = trained(5, average_decay=0.0)
    optimizer.use_averages()
    torch.testing.assert_close(network.weight.detach(), history[-1])


def test_exchanged_twice_nothing_has_changed() -> None:
    network, optimizer, history = trained(12)
    optimizer.use_averages()
    optimizer.use_averages()
    assert not torch.equal(network.weight.detach(), history[-1])
    optimizer.use_weights()
    assert torch.equal(network.weight.detach(), history[-1])


def test_it_does_not_train_averages() -> None:
    _, optimizer, _ = trained(2)
    optimizer.use_averages()
    with pytest.raises(RuntimeError, match="averaged"):
        optimizer.step()


def test_a_saved_state_goes_on_as_if_nothing_had_been() -> None:
    """As a checkpoint does it: averages in the network, the weights in the optimizer's state."""
    network, optimizer, _ = trained(10)
    optimizer.use_averages()
    saved = copy.deepcopy((network.state_dict(), optimizer.state_dict()))
    again = nn.Linear(3, 2)
    restored = AveragedAdamW(again.parameters(), 0.05, weight_decay=0.0, average_decay=0.9)
    again.load_state_dict(saved[0])
    restored.load_state_dict(saved[1])
    restored.averages_in_network = True
    for net, opt in ((network, optimizer), (again, restored)):
        opt.use_weights()
        opt.zero_grad()
        net(torch.ones(1, 3)).sum().backward()
        opt.step()
        opt.use_averages()
    torch.testing.assert_close(again.weight, network.weight)


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_decays_that_are_none(decay: float) -> None:
    with pytest.raises(ValueError, match="average_decay"):
        AveragedAdamW(nn.Linear(1, 1).parameters(), 0.1, weight_decay=0.0, average_decay=decay)
