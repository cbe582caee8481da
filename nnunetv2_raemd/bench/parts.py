"""What each part of RAEMD-Net costs in a training step.

Every part is run by itself, forward and backward, on the input that it gets within the network. (Hooks on the
backward pass cannot time it: modules that work in place forbid them.)
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nnunetv2_raemd.architecture.conv_lstm import RecurrentFusion
from nnunetv2_raemd.architecture.decoder import DecoderStage
from nnunetv2_raemd.architecture.dense_block import DenseBlock
from nnunetv2_raemd.architecture.encoder import EncoderStage
from nnunetv2_raemd.architecture.multi_scale import MultiScaleBlock
from nnunetv2_raemd.architecture.residual_attention import ResidualAttention

Precision = Callable[[], AbstractContextManager[Any]]
NAMES: dict[type[nn.Module], str] = {
    EncoderStage: "encoder",
    MultiScaleBlock: "multi-scale",
    DenseBlock: "dense",
    RecurrentFusion: "recurrence",
    DecoderStage: "decoder",
    ResidualAttention: "attention",
}


@dataclass(frozen=True)
class Part:
    """A module, its name in the table, and the name of the part that it lies in, if any."""

    name: str
    inside: str | None
    module: nn.Module


def parts_of(network: nn.Module) -> list[Part]:
    """All parts that are there, outer ones before those in them; what holds nothing but parts is none."""
    found: dict[str, Part] = {}
    for path, module in network.named_modules():
        holds_only_parts = all(type(child) in NAMES for child in module.children())
        if type(module) in NAMES and not holds_only_parts:
            around = [part.name for outer, part in found.items() if path.startswith(f"{outer}.")]
            found[path] = Part(NAMES[type(module)], around[-1] if around else None, module)
    return list(found.values())


def part_runs(
    network: nn.Module, images: Tensor, precision: Precision
) -> list[tuple[Part, Callable[[], None]]]:
    """Each part, and a function that runs it forward and backward in the precision of the training step."""
    parts = parts_of(network)
    with precision():
        inputs = _inputs([part.module for part in parts], network, images)
    return [(part, _Run(part.module, inputs[part.module], precision)) for part in parts]


def _inputs(modules: list[nn.Module], network: nn.Module, images: Tensor) -> dict[nn.Module, tuple[Any, ...]]:
    """What each module is called with in a forward pass."""
    inputs: dict[nn.Module, tuple[Any, ...]] = {}

    def remember(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        inputs[module] = tuple(_as_leaf(a) if isinstance(a, Tensor) else a for a in arguments)

    hooks = [module.register_forward_pre_hook(remember) for module in modules]
    try:
        network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return inputs


def _as_leaf(tensor: Tensor) -> Tensor:
    """A copy that needs a gradient if the tensor does, which the images do not."""
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)


class _Run:
    def __init__(self, module: nn.Module, arguments: tuple[Any, ...], precision: Precision) -> None:
        self.module, self.arguments, self.precision = module, arguments, precision

    def __call__(self) -> None:
        with self.precision():
            output = self.module(*self.arguments)
        output.backward(torch.ones_like(output))
        for tensor in (*self.arguments, *self.module.parameters()):
            if isinstance(tensor, Tensor):
                tensor.grad = None


def by_part(measured: list[tuple[Part, float]], step_s: float) -> dict[str, float]:
    """Seconds by name, those of inner parts taken out of the outer ones.

    "other" is the rest of the step: heads, loss, optimizer, and what parts take less or more by themselves.
    """
    totals: dict[str, float] = dict.fromkeys((part.name for part, _ in measured), 0.0)
    for part, seconds in measured:
        totals[part.name] += seconds
        if part.inside is not None:
            totals[part.inside] -= seconds
    return {**totals, "other": step_s - sum(totals.values())}
