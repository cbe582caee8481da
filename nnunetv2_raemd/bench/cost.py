"""The arithmetic of a training step and the bytes that it moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

# They make tensors without writing them, or are views though torch does not call them so
NOT_MOVING = {
    "empty",
    "empty_like",
    "empty_strided",
    "new_empty",
    "new_empty_strided",
    "detach",
    "_unsafe_view",
}


@dataclass(frozen=True)
class Cost:
    """Floating-point operations of convolutions and matrix products (a multiply-add is two), and bytes.

    The bytes are those that all operations read and write, each operation by itself and each tensor once:
    what a device without caches would move, where nothing is fused. A compiled network may move fewer.
    """

    flops: int
    bytes: int


class ByteCounter(TorchDispatchMode):
    """Adds up the bytes of the tensors that operations read and write; views move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view and func.overloadpacket.__name__ not in NOT_MOVING:
            self.bytes += sum(map(_bytes, tree_leaves((args, kwargs, result))))
        return result


def _bytes(leaf: object) -> int:
    return leaf.numel() * leaf.element_size() if isinstance(leaf, Tensor) else 0


def convolution_backward_flops(*arguments: Any, **_kwargs: Any) -> int:
    """Of aten::convolution_backward: each gradient asked for takes as many as the convolution itself.

    torch's own count is too high for the weights of grouped convolutions, by the number of groups.
    """
    gradient_shape, input_shape, weight_shape = arguments[:3]
    transposed, (for_input, for_weight, _) = arguments[7], arguments[10]
    flops: int = conv_flop_count(input_shape, weight_shape, gradient_shape, transposed=transposed)
    return flops * (for_input + for_weight)


FORMULAS = {torch.ops.aten.convolution_backward: convolution_backward_flops}


def cost_of(run: Callable[[], object]) -> Cost:
    """Do a run once and count."""
    with ByteCounter() as moved, FlopCounterMode(display=False, custom_mapping=FORMULAS) as arithmetic:
        run()
    return Cost(arithmetic.get_total_flops(), moved.bytes)
