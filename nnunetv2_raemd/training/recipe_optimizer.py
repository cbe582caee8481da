"""The optimizer of a recipe."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from nnunetv2_raemd.training.averaged_adamw import AveragedAdamW
from nnunetv2_raemd.training.averaged_muon import AveragedMuon
from nnunetv2_raemd.training.recipe import Recipe

_OPTIMIZERS = {"adam": AveragedAdamW, "muon": AveragedMuon}


def recipe_optimizer(weights: Iterable[Tensor], recipe: Recipe) -> AveragedAdamW:
    """For these weights; it also keeps their moving average."""
    return _OPTIMIZERS[recipe.optimizer](
        weights, recipe.initial_lr, weight_decay=recipe.weight_decay, average_decay=recipe.average_decay
    )
