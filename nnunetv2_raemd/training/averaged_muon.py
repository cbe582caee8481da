"""Muon for the kernels of convolutions, AdamW for all else, with the moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from nnunetv2_raemd.training.averaged_adamw import AveragedAdamW

MOMENTUM = "momentum"
MIN_SIDE = 16
"""rows and columns from which on a matrix is worth orthogonalizing: not the first layer's, nor the last's"""
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_LENGTH = 10
"""Jordan's learning rate of 0.02 is ten times that of our recipe, which is AdamW's"""


class AveragedMuon(AveragedAdamW):
    """Steps of Muon (Jordan et al., 2024) for matrices of `MIN_SIDE` rows and columns or more.

    A kernel (out, in, ...) counts as a matrix of `out` rows. Its step is the momentum of its gradients with
    all singular values brought near 1, so that directions in which gradients are small are learned as fast as
    the others, times ten learning rates: however wide a layer is, a step changes what it does by as much.
    Instead of Adam's two moments it keeps one.

    torch has Muon (`torch.optim.Muon`, from 2.9) for matrices only.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float, *, weight_decay: float, average_decay: float
    ) -> None:
        super().__init__(params, lr, weight_decay=weight_decay, average_decay=average_decay)
        # in the groups too: that is how a checkpoint says which optimizer it is of
        self.defaults[MOMENTUM] = 0.95
        for group in self.param_groups:
            group[MOMENTUM] = self.defaults[MOMENTUM]

    @torch.no_grad()
    def _take_step(self, closure: Callable[[], Any] | None) -> Any:
        """Muon's step for matrices, whose gradients AdamW does not see then."""
        with torch.enable_grad():
            result = None if closure is None else closure()
        gradients: dict[Tensor, Tensor] = {}
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None and is_matrix(weight):
                    gradients[weight], weight.grad = weight.grad, None
                    self._step_of_matrix(weight, gradients[weight], group)
        super()._take_step(None)
        for weight, gradient in gradients.items():
            weight.grad = gradient
        return result

    def _step_of_matrix(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros(())
            state[MOMENTUM] = torch.zeros_like(weight)
        state["step"] += 1
        state[MOMENTUM].lerp_(gradient, 1 - group[MOMENTUM])
        ahead = torch.lerp(gradient, state[MOMENTUM], group[MOMENTUM]).flatten(1)  # Nesterov's
        rows, columns = ahead.shape
        length = _LENGTH * math.sqrt(max(1, rows / columns))
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(orthogonalized(ahead).view_as(weight), alpha=-group["lr"] * length)


def is_matrix(weight: Tensor) -> bool:
    """Whether `AveragedMuon` takes Muon's steps for it."""
    return weight.ndim > 1 and min(weight.shape[0], weight[0].numel()) >= MIN_SIDE


def orthogonalized(matrix: Tensor) -> Tensor:
    """The matrix (rows, columns) with its singular values brought near 1 (0.7 to 1.2), unless they are tiny.

    Jordan's iteration, X <- a X + b (X X') X + c (X X')^2 X from X = M / |M|. Here the small square matrices
    X X' are iterated and multiplied up, in single precision, which is half of the work for a kernel whose
    rows are much longer than they are many. A matrix of zeros stays one.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonalized(matrix.T).T
    a, b, c = _COEFFICIENTS
    with torch.autocast(matrix.device.type, enabled=False):  # a training step may be within it
        normed = matrix.float()
        normed = normed / normed.norm().clamp(min=1e-7)
        gram = normed @ normed.T
        identity = torch.eye(len(gram), device=gram.device)
        product = identity
        for _ in range(_ITERATIONS):
            factor = a * identity + b * gram + c * (gram @ gram)
            product = factor @ product
            gram = factor @ gram @ factor
        return (product @ normed).to(matrix.dtype)
