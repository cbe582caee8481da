"""What of a network becomes a graph of its own, found by running the network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nnunetv2_raemd.prediction.sliced_network import SlicedNetwork

WHOLE, ENCODE, RECUR, DECODE = "network", "encode", "recur", "decode"


@dataclass(frozen=True)
class NetworkPart:
    """A function of tensors within a network.

    Attributes:
        name: how its graph is called.
        module: takes tensors, returns a tuple of tensors. It holds the whole network, so that its weights go
            by the network's names after "network.".
        examples: an input, on which the graph is traced. Batch, rows and columns may be others later.
        positions: of the features that it reads and replaces, counted from the last one (-1).
    """

    name: str
    module: nn.Module
    examples: tuple[Tensor, ...]
    positions: tuple[int, ...] = ()


class _Function(nn.Module):
    """A function of a network as a module, with the network's weights."""

    def __init__(self, network: nn.Module, function: Callable[..., Sequence[Tensor]]) -> None:
        super().__init__()
        self.network, self.function = network, function

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.function(self.network, *inputs))


def with_other_weights(network: nn.Module) -> nn.Module:
    """A copy with random weights, to be traced.

    What simplifies a graph may merge weights that happen to be equal, as biases that training has left at
    zero, or compute with them. In the weights of another fold they would differ.
    """
    other = copy.deepcopy(network).eval().float().cpu().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for weight in [*other.parameters(), *other.buffers()]:
        if weight.is_floating_point():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.1 + 0.5)
    return other


@torch.no_grad()
def parts_of(network: nn.Module, example: Tensor, n_slices: int | None) -> list[NetworkPart]:
    """The parts of a network in the order in which they run.

    Args:
        network: in evaluation mode.
        example: images as the network takes them: slices (N, channels, rows, columns) of a `SlicedNetwork`,
            in whole sequences.
        n_slices: length of these sequences; of other networks None.
    """
    if not isinstance(network, SlicedNetwork):
        whole = _Function(network, lambda net, image: [net(image)])
        return [NetworkPart(WHOLE, whole, (example,))]
    assert n_slices is not None
    features = network.encode(example)
    fused = network.recur(features, n_slices)
    positions = _changed(features, fused)
    parts = [
        NetworkPart(ENCODE, _Function(network, lambda net, slices: net.encode(slices)), (example,)),
        NetworkPart(DECODE, _Function(network, lambda net, *values: net.decode(values)[:1]), tuple(fused)),
    ]
    if positions:
        recur = _Function(network, _replace(positions, n_slices))
        parts.insert(1, NetworkPart(RECUR, recur, tuple(features[i] for i in positions), positions))
    return parts


def _changed(before: Sequence[Tensor], after: Sequence[Tensor]) -> tuple[int, ...]:
    """Which features the second third replaces; it hands through the others unread."""
    return tuple(i for i in range(-len(before), 0) if after[i] is not before[i])


def _replace(positions: Sequence[int], n_slices: int) -> Callable[..., Sequence[Tensor]]:
    """The second third as a function of nothing but the features that it replaces."""

    def recur(network: SlicedNetwork, *features: Tensor) -> Sequence[Tensor]:
        return network.recur(features, n_slices)[-len(positions) :]

    return recur
