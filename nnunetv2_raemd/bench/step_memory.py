"""The memory that a training step takes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from nnunetv2_raemd.bench.training_step import TrainingStep


def step_memory(step: TrainingStep) -> tuple[int, str]:
    """Bytes, and what they are. `step` must have been done once, so that the optimizer has its state.

    On CUDA the peak of what torch allocates during the step, without the other networks that are there; on
    the CPU, where nothing counts allocations, what has to be there at the end of the forward pass: weights,
    gradients, optimizer and all that the backward pass needs.
    """
    if step.device.type == "cuda":
        return _peak(step), "peak allocated"
    gradients = sum(_bytes(weight.grad) for weight in step.network.parameters() if weight.grad is not None)
    return _resident(step) + gradients + kept_for_backward(step.network, step.images), "kept for backward"


def _peak(step: TrainingStep) -> int:
    step.optimizer.zero_grad(set_to_none=True)
    torch.cuda.synchronize(step.device)
    others = torch.cuda.memory_allocated(step.device) - _resident(step)
    torch.cuda.reset_peak_memory_stats(step.device)
    step()
    torch.cuda.synchronize(step.device)
    return torch.cuda.max_memory_allocated(step.device) - others


def _resident(step: TrainingStep) -> int:
    """Bytes of weights, optimizer state, images and targets."""
    tensors = [*step.network.parameters(), *step.network.buffers(), step.images, *step.targets]
    return sum(map(_bytes, tensors)) + sum(map(_bytes, _optimizer_state(step.optimizer)))


def _optimizer_state(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    for state in optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, Tensor))


def kept_for_backward(network: nn.Module, images: Tensor) -> int:
    """Bytes that a forward pass keeps for the backward pass, without weights and images."""
    not_counted = {_storage(tensor) for tensor in (*network.parameters(), images)}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[_storage(tensor)] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = network(images)
    total = sum(kept[key].untyped_storage().nbytes() for key in kept.keys() - not_counted)
    del outputs
    return total


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
