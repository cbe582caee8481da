"""RAEMD-Net with parts left out or added, in the network or in the recipe.

Table 4 of the paper adds parts to a U-Net until its network is whole, with dense blocks; all its rows train
on the same sequences of slices. The others leave out one part each of what measured best, or add one.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

from nnunetv2_raemd.training.nnunet_plan import require_nnunet_plan
from nnunetv2_raemd.training.recipe import PAPER
from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD
from nnunetv2_raemd.training.variants import nnUNetTrainerRAEMD_quick

WHOLE = nnUNetTrainerRAEMD.recipe
NO_PARTS = {"multi_scale": False, "dense": False, "attention": False, "n_recurrent_stages": 0}

# Before "hybrid loss and dynamic learning rate": cross-entropy and one rate for all epochs. Without early
# stopping, which would end these trainings sooner than those that may still lower their rate
PLAIN = replace(PAPER, weight_dice=0.0, min_lr=PAPER.initial_lr, stop_patience=math.inf)


class nnUNetTrainerRAEMDOtherParts(nnUNetTrainerRAEMD):
    """RAEMD-Net with parts that `changed_arguments` switches on or off; its subclasses are the ones to use.

    Raises:
        UserError: also if it is given a RAEMD plan, which has its parts already.
    """

    changed_arguments: ClassVar[dict[str, Any]] = {}
    """arguments of `RAEMDNet` that differ from the preset's"""

    @classmethod
    def convert_plan(cls, plan: dict[str, Any], configuration: str) -> dict[str, Any]:
        """The RAEMD plan with other arguments of the network."""
        reason = f"{cls.__name__} decides itself which parts of RAEMD-Net to use"
        require_nnunet_plan(plan, configuration, reason)
        converted = super().convert_plan(plan, configuration)
        converted["configurations"][configuration]["architecture"]["arch_kwargs"].update(
            cls.changed_arguments
        )
        return converted


class nnUNetTrainerAblation(nnUNetTrainerRAEMDOtherParts):
    """A row of Table 4, of the paper's network; its subclasses are the ones to use."""

    preset = "dense"
    recipe = PLAIN


class nnUNetTrainerAblation1UNet(nnUNetTrainerAblation):
    """Table 4, first row: a U-Net, slice by slice."""

    changed_arguments = NO_PARTS


class nnUNetTrainerAblation2MultiScale(nnUNetTrainerAblation):
    """... with multi-scale blocks."""

    changed_arguments: ClassVar = {"dense": False, "attention": False, "n_recurrent_stages": 0}


class nnUNetTrainerAblation3Dense(nnUNetTrainerAblation):
    """... and dense blocks."""

    changed_arguments: ClassVar = {"attention": False, "n_recurrent_stages": 0}


class nnUNetTrainerAblation4Attention(nnUNetTrainerAblation):
    """... and residual attention."""

    changed_arguments: ClassVar = {"n_recurrent_stages": 0}


class nnUNetTrainerAblation5LSTM(nnUNetTrainerAblation):
    """... and the recurrence: the whole network. With the paper's recipe: `nnUNetTrainerRAEMDPaper`."""


class nnUNetTrainerRAEMD_noMultiScale(nnUNetTrainerRAEMDOtherParts):
    """Plain convolutions in the place of multi-scale blocks."""

    changed_arguments: ClassVar = {"multi_scale": False}


class nnUNetTrainerRAEMD_withAttention(nnUNetTrainerRAEMDOtherParts):
    """Residual attention (equations 3.5 to 3.9) in the decoder, which the default leaves out."""

    changed_arguments: ClassVar = {"attention": True}


class nnUNetTrainerRAEMD_noLSTM(nnUNetTrainerRAEMDOtherParts):
    """No recurrence: slice by slice."""

    changed_arguments: ClassVar = {"n_recurrent_stages": 0}


class nnUNetTrainerRAEMD_noLSTM_quick(nnUNetTrainerRAEMD_noLSTM):
    """As many iterations as `nnUNetTrainerRAEMD_quick`."""

    recipe = nnUNetTrainerRAEMD_quick.recipe


class nnUNetTrainerRAEMD_noHybridLoss(nnUNetTrainerRAEMDOtherParts):
    """Cross-entropy alone."""

    recipe = replace(WHOLE, weight_dice=0.0)


class nnUNetTrainerRAEMD_noSchedule(nnUNetTrainerRAEMDOtherParts):
    """One learning rate for all epochs."""

    recipe = replace(WHOLE, schedule="plateau", min_lr=WHOLE.initial_lr)


class nnUNetTrainerRAEMD_noMuon(nnUNetTrainerRAEMDOtherParts):
    """AdamW for the kernels of convolutions, too."""

    recipe = replace(WHOLE, optimizer="adam")


class nnUNetTrainerRAEMD_noAveraging(nnUNetTrainerRAEMDOtherParts):
    """Validates and predicts with the weights of the last step."""

    recipe = replace(WHOLE, average_decay=0.0)
