"""What of a network becomes a graph of its own, found by running the network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nnunetv2_raemd.architecture import RAEMDNet
from nnunetv2_raemd.deployment.model_description import DECODE, ENCODE, RECUR, WHOLE
from nnunetv2_raemd.deployment.recurrence_graph import added_by_neighbors


@dataclass(frozen=True)
class NetworkPart:
    """A function of tensors within a network.

    Attributes:
        name: how its graph is called.
        module: takes tensors, returns a tuple of tensors. It holds the whole network, so that its weights go
            by the network's names after "network.".
        examples: an input, on which the graph is traced. Rows and columns may be others later.
        positions: of the features that it reads and adds to, counted from the last one (-1).
        any_batch: whether its batch may be another later, too.
    """

    name: str
    module: nn.Module
    examples: tuple[Tensor, ...]
    positions: tuple[int, ...] = ()
    any_batch: bool = True


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
        example: images as the network takes them: slices (N, channels, rows, columns) of RAEMD-Net, in whole
            sequences.
        n_slices: length of these sequences; of other networks None.
    """
    if not isinstance(network, RAEMDNet):
        whole = _Function(network, lambda net, image: [net(image)])
        return [NetworkPart(WHOLE, whole, (example,))]
    assert n_slices is not None
    features = network.encode(example)
    parts = [
        NetworkPart(ENCODE, _Function(network, lambda net, slices: net.encode(slices)), (example,)),
        NetworkPart(DECODE, _Function(network, lambda net, *values: net.decode(values)[:1]), tuple(features)),
    ]
    if network.encoder.recurrence is not None and n_slices > 1:
        recur = _Function(network, lambda net, last: [added_by_neighbors(net.encoder.recurrence, last)])
        sequence = features[-1][:n_slices]
        parts.insert(1, NetworkPart(RECUR, recur, (sequence,), positions=(-1,), any_batch=False))
    return parts
