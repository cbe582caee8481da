"""Optimizers whose steps keep all their numbers on the device, so that a CUDA graph of one is every one.

A replayed graph computes what it computed when it was captured, from whatever its tensors hold by then.
Learning rates and counts of steps are therefore tensors, and `done`, the part of the training that has
passed, is filled in before each replay. All weights are updated by one call where torch has one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import cache

import torch
from torch import Tensor

from nnunetv2_raemd.training.averaged_muon import _COEFFICIENTS, _ITERATIONS, _LENGTH, is_matrix
from nnunetv2_raemd.training.recipe import MEASURED_BEST

MAX_NORM = 12
"""of the gradients of all weights together, as nnU-Net clips them"""


class StepOptimizer(ABC):
    """What the optimizers share; a subclass says how the weights that have a gradient change.

    `done` is a number on the device, from 0 to 1.
    """

    def __init__(self, weights: Iterable[Tensor], done: Tensor) -> None:
        self.weights = [weight for weight in weights if weight.requires_grad]
        self.done = done
        self.momenta = [torch.zeros_like(weight) for weight in self.weights]

    @property
    def weights_to_predict_with(self) -> Sequence[Tensor]:
        """In the order of `weights`."""
        return self.weights

    def state(self) -> list[Tensor]:
        """Every tensor that a step changes."""
        return [*self.weights, *self.momenta]

    @torch.no_grad()
    def step(self) -> None:
        """Clip the gradients, then change the weights by them."""
        trained = [i for i, weight in enumerate(self.weights) if weight.grad is not None]
        gradients = {i: _gradient(self.weights[i]) for i in trained}
        norm = torch.stack(torch._foreach_norm(list(gradients.values()))).norm()
        torch._foreach_mul_(list(gradients.values()), (MAX_NORM / (norm + 1e-6)).clamp(max=1))
        self._update(gradients)

    @abstractmethod
    def _update(self, gradients: dict[int, Tensor]) -> None:
        """Change the weights, whose gradients are given by their places among them."""


class NesterovStep(StepOptimizer):
    """nnU-Net's: `torch.optim.SGD` with Nesterov's momentum and weight decay, at the polynomial rate."""

    initial_lr = 1e-2
    weight_decay = 3e-5
    momentum = 0.99
    exponent = 0.9

    def _update(self, gradients: dict[int, Tensor]) -> None:
        weights, momenta = _chosen(self.weights, gradients), _chosen(self.momenta, gradients)
        rate = self.initial_lr * (1 - self.done.clamp(max=1)) ** self.exponent
        steps = torch._foreach_add(list(gradients.values()), weights, alpha=self.weight_decay)
        torch._foreach_mul_(momenta, self.momentum)
        torch._foreach_add_(momenta, steps)
        torch._foreach_add_(steps, momenta, alpha=self.momentum)
        torch._foreach_mul_(steps, rate)
        torch._foreach_sub_(weights, steps)


class RecipeStep(StepOptimizer):
    """The recipe's: `AveragedMuon` with `CosineSchedule`, as in `MEASURED_BEST`.

    It equals them except for rounding where every step trains every weight. Single slices do not train a
    recurrence: after them, Adam's moments of its biases are corrected, and its averages follow, by the number
    of all steps, where `AveragedMuon` counts those of each weight.
    """

    recipe = MEASURED_BEST
    muon_momentum = 0.95
    betas = (0.9, 0.999)
    epsilon = 1e-8

    def __init__(self, weights: Iterable[Tensor], done: Tensor) -> None:
        super().__init__(weights, done)
        self.n_steps = torch.zeros((), device=done.device)
        self.averages = [weight.detach().clone() for weight in self.weights]
        self.squares = [torch.zeros_like(weight) for weight in self.weights]
        sides = [min(weight.flatten(1).shape) for weight in self.weights if is_matrix(weight)]
        self.identity = torch.eye(max(sides, default=0), device=done.device)
        # kept, since numbers cannot be brought to the device while a graph is captured
        self.lengths_of = cache(self._lengths_of)

    @property
    def weights_to_predict_with(self) -> Sequence[Tensor]:
        """Their averages."""
        return self.averages

    def state(self) -> list[Tensor]:
        """Every tensor that a step changes."""
        return [self.n_steps, *super().state(), *self.averages, *self.squares]

    def _update(self, gradients: dict[int, Tensor]) -> None:
        rate = self._rate()
        torch._foreach_mul_(_chosen(self.weights, gradients), 1 - rate * self.recipe.weight_decay)
        matrices = {i: gradient for i, gradient in gradients.items() if is_matrix(self.weights[i])}
        if matrices:
            self._muon(matrices, rate)
        self.n_steps += 1
        self._adam({i: gradient for i, gradient in gradients.items() if i not in matrices}, rate)
        self._follow()

    def _rate(self) -> Tensor:
        done = self.done.clamp(max=1)
        warm = (done / self.recipe.warm_up).clamp(max=1)
        return self.recipe.initial_lr * warm * (1 + torch.cos(math.pi * done)) / 2

    def _muon(self, gradients: dict[int, Tensor], rate: Tensor) -> None:
        """All Gram matrices are iterated as one batch, padded to the largest by zeros, which stay apart."""
        given, momenta = list(gradients.values()), _chosen(self.momenta, gradients)
        torch._foreach_lerp_(momenta, given, 1 - self.muon_momentum)
        ahead = [step.flatten(1) for step in torch._foreach_lerp(given, momenta, self.muon_momentum)]
        wide = [step.T if is_tall(step) else step for step in ahead]
        grams = gram_matrices(wide)
        squares = torch.diagonal(grams, dim1=1, dim2=2).sum(1).clamp(min=1e-14)
        products = orthogonalizing_factors(grams / squares[:, None, None], self.identity)
        products = products * (self.lengths_of(tuple(gradients)) * rate * squares.rsqrt())[:, None, None]
        for i, matrix, product in zip(gradients, wide, products, strict=True):
            weight = self.weights[i].view(len(self.weights[i]), -1)  # which, unlike `flatten`, never copies
            changed = weight.t() if is_tall(weight) else weight
            n_rows = len(matrix)
            changed.addmm_(product[:n_rows, :n_rows], matrix, alpha=-1)

    def _lengths_of(self, matrices: tuple[int, ...]) -> Tensor:
        shapes = [self.weights[i].flatten(1).shape for i in matrices]
        lengths = [_LENGTH * math.sqrt(max(1, rows / columns)) for rows, columns in shapes]
        return torch.tensor(lengths).to(self.done.device)

    def _adam(self, gradients: dict[int, Tensor], rate: Tensor) -> None:
        given, weights = list(gradients.values()), _chosen(self.weights, gradients)
        means, squares = _chosen(self.momenta, gradients), _chosen(self.squares, gradients)
        of_mean, of_squares = self.betas
        torch._foreach_lerp_(means, given, 1 - of_mean)
        torch._foreach_mul_(squares, of_squares)
        torch._foreach_addcmul_(squares, given, given, 1 - of_squares)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_div_(roots, (1 - of_squares**self.n_steps).sqrt())
        torch._foreach_add_(roots, self.epsilon)
        steps = torch._foreach_div(means, roots)
        torch._foreach_mul_(steps, rate / (1 - of_mean**self.n_steps))
        torch._foreach_sub_(weights, steps)

    def _follow(self) -> None:
        """The averages; the first weights are the first averages."""
        n = self.n_steps
        decay = ((1 + n) / (10 + n)).clamp(max=self.recipe.average_decay)
        decay = torch.where(n <= 1, torch.zeros_like(n), decay)
        torch._foreach_mul_(self.averages, decay)
        torch._foreach_add_(self.averages, torch._foreach_mul(self.weights, 1 - decay))


def is_tall(matrix: Tensor) -> bool:
    """Whether it has more rows than columns."""
    return matrix.shape[0] > matrix.shape[1]


def gram_matrices(matrices: Sequence[Tensor]) -> Tensor:
    """M M' of each, (n, side, side) with the largest's side; zeros where a matrix has fewer rows."""
    side = max(len(matrix) for matrix in matrices)
    grams = torch.zeros((len(matrices), side, side), device=matrices[0].device)
    for gram, matrix in zip(grams, matrices, strict=True):
        n_rows = len(matrix)
        if n_rows == side:
            torch.mm(matrix, matrix.T, out=gram)
        else:
            gram[:n_rows, :n_rows].copy_(matrix @ matrix.T)
    return grams


def orthogonalizing_factors(grams: Tensor, identity: Tensor) -> Tensor:
    """What each matrix of norm 1 is multiplied by to orthogonalize it, from their Gram matrices.

    The iteration is that of `orthogonalized` in the package's `averaged_muon.py`.
    """
    side = grams.shape[-1]
    of_one, of_gram, of_square = _COEFFICIENTS
    product: Tensor | None = None
    for _ in range(_ITERATIONS):
        factor = torch.baddbmm(grams, grams, grams, beta=of_gram, alpha=of_square)
        factor = factor + of_one * identity[:side, :side]
        product = factor if product is None else factor @ product
        grams = factor @ grams @ factor
    assert product is not None
    return product


def _gradient(weight: Tensor) -> Tensor:
    assert weight.grad is not None
    return weight.grad


def _chosen(tensors: Sequence[Tensor], places: Iterable[int]) -> list[Tensor]:
    return [tensors[i] for i in places]
