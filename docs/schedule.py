"""Draws docs/schedule.png: when the plateau schedule acts on raw and on smoothed losses."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from nnunetv2_raemd.training.recipe import Recipe
from nnunetv2_raemd.training.smoothed_loss import SmoothedLoss

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent / "tests" / "training"))
from test_schedule import first_reduction, noisy_training  # noqa: E402


def main() -> None:
    """Draw one training and, over 200, the epochs at which the learning rate is first lowered."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    losses = noisy_training(0)
    smoothed = SmoothedLoss(Recipe().smoothing)
    left.plot(losses, color="0.7", label="validation loss")
    left.plot([smoothed.update(float(loss)) for loss in losses], color="tab:blue", label="smoothed")
    left.set(xlabel="epoch", ylabel="loss", title="one simulated training")
    left.legend(frameon=False)
    for name, recipe, colour in (
        ("raw loss", replace(Recipe(), smoothing=0.0), "0.5"),
        ("smoothed loss", Recipe(), "tab:blue"),
    ):
        epochs = [first_reduction(noisy_training(seed), recipe) for seed in range(200)]
        right.hist(epochs, bins=np.arange(0, 105, 5), alpha=0.6, label=name, color=colour)
    right.set(xlabel="epoch", ylabel="trainings of 200", title="first lowering of the learning rate")
    right.legend(frameon=False)
    figure.savefig(DOCS / "schedule.png", dpi=110)


if __name__ == "__main__":
    main()
