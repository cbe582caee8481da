"""The recipes: the paper's figures, and variants that are what their names and the documentation say."""

from __future__ import annotations

import re

import pytest

from nnunetv2_raemd.training import variants
from nnunetv2_raemd.training.recipe import PAPER, Recipe
from nnunetv2_raemd.training.recipe_trainer import nnUNetTrainerRecipe
from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD

BY_EPOCHS = {
    name: trainer.recipe
    for name, trainer in vars(variants).items()
    if isinstance(trainer, type)
    and issubclass(trainer, nnUNetTrainerRecipe)
    and re.fullmatch(r"nnUNetTrainer\w*_\d+epochs", name)
}


def test_the_papers_recipe() -> None:
    """Section 4.2: Adam at 0.001, 100 epochs; equation 3.10: beta 0.1; 3.13: equal weights, no focus."""
    assert Recipe() == PAPER
    assert (PAPER.initial_lr, PAPER.num_epochs, PAPER.lr_factor) == (1e-3, 100, 0.1)
    assert (PAPER.weight_ce, PAPER.weight_dice, PAPER.focusing) == (1, 1, 0)
    assert (PAPER.weight_decay, PAPER.average_decay, PAPER.schedule) == (0, 0, "plateau")


def test_the_rate_may_fall_a_thousandfold_and_patience_allows_several_falls() -> None:
    assert PAPER.initial_lr / PAPER.min_lr == pytest.approx(1000)
    assert PAPER.stop_patience >= 3 * PAPER.schedule_patience


def test_there_are_variants_by_epochs() -> None:
    assert len(BY_EPOCHS) >= 4


@pytest.mark.parametrize(("name", "recipe"), BY_EPOCHS.items(), ids=BY_EPOCHS)
def test_variants_train_for_as_many_epochs_as_they_are_called(name: str, recipe: Recipe) -> None:
    assert recipe.num_epochs == int(name.rpartition("_")[2].removesuffix("epochs"))
    assert recipe.iterations_per_epoch == nnUNetTrainerRAEMD.recipe.iterations_per_epoch


def test_quick_variants_have_400_iterations() -> None:
    """As the documentation says of them."""
    for trainer in (variants.nnUNetTrainerRAEMD_quick, variants.nnUNetTrainer_quick):
        assert trainer.recipe.num_epochs * trainer.recipe.iterations_per_epoch == 400
