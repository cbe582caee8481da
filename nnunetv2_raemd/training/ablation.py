"""RAEMD-Net with parts left out, in the network or in the recipe (Table 4 of the paper).

All train on the same sequences of slices, those that the whole network is given.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

from nnunetv2_raemd.plans import raemd_plan
from nnunetv2_raemd.training.nnunet_plan import require_nnunet_plan
from nnunetv2_raemd.training.recipe import PAPER
from nnunetv2_raemd.training.trainer import nnUNetTrainerRAEMD
from nnunetv2_raemd.training.variants import nnUNetTrainerRAEMD_quick

WHOLE = nnUNetTrainerRAEMD.recipe
NO_PARTS = {"multi_scale": False, "dense": False, "attention": False, "n_recurrent_stages": 0}

# Before "hybrid loss and dynamic learning rate": cross-entropy and one rate for all epochs. Without early
# stopping, which would end these trainings sooner than those that may still lower their rate
PLAIN = replace(PAPER, weight_dice=0.0, min_lr=PAPER.initial_lr, stop_patience=math.inf)


class nnUNetTrainerRAEMDWithout(nnUNetTrainerRAEMD):
    """RAEMD-Net without the parts that `changed_arguments` switches off; its subclasses are the ones to use.

    Raises:
        UserError: also if it is given a RAEMD plan, which has its parts already.
    """

    changed_arguments: ClassVar[dict[str, Any]] = {}
    """arguments of `RAEMDNet` that differ from the default preset's"""

    @classmethod
    def convert_plan(cls, plan: dict[str, Any], configuration: str) -> dict[str, Any]:
        """The RAEMD plan with other arguments of the network."""
        reason = f"{cls.__name__} decides itself which parts of RAEMD-Net to use"
        require_nnunet_plan(plan, configuration, reason)
        converted = raemd_plan(plan, configurations=[configuration])
        converted["configurations"][configuration]["architecture"]["arch_kwargs"].update(
            cls.changed_arguments
        )
        return converted


class nnUNetTrainerAblation1UNet(nnUNetTrainerRAEMDWithout):
    """Table 4, first row: a U-Net, slice by slice."""

    recipe = PLAIN
    changed_arguments = NO_PARTS


class nnUNetTrainerAblation2MultiScale(nnUNetTrainerRAEMDWithout):
    """... with multi-scale blocks."""

    recipe = PLAIN
    changed_arguments: ClassVar = {"dense": False, "attention": False, "n_recurrent_stages": 0}


class nnUNetTrainerAblation3Dense(nnUNetTrainerRAEMDWithout):
    """... and dense blocks."""

    recipe = PLAIN
    changed_arguments: ClassVar = {"attention": False, "n_recurrent_stages": 0}


class nnUNetTrainerAblation4Attention(nnUNetTrainerRAEMDWithout):
    """... and residual attention."""

    recipe = PLAIN
    changed_arguments: ClassVar = {"n_recurrent_stages": 0}


class nnUNetTrainerAblation5LSTM(nnUNetTrainerRAEMDWithout):
    """... and the recurrence: the whole network. With the paper's recipe: `nnUNetTrainerRAEMDPaper`."""

    recipe = PLAIN


class nnUNetTrainerRAEMD_noMultiScale(nnUNetTrainerRAEMDWithout):
    """Plain convolutions in the place of multi-scale blocks."""

    changed_arguments: ClassVar = {"multi_scale": False}


class nnUNetTrainerRAEMD_noDense(nnUNetTrainerRAEMDWithout):
    """Plain convolutions in the place of dense blocks."""

    changed_arguments: ClassVar = {"dense": False}


class nnUNetTrainerRAEMD_noAttention(nnUNetTrainerRAEMDWithout):
    """No residual attention."""

    changed_arguments: ClassVar = {"attention": False}


class nnUNetTrainerRAEMD_noLSTM(nnUNetTrainerRAEMDWithout):
    """No recurrence: slice by slice."""

    changed_arguments: ClassVar = {"n_recurrent_stages": 0}


class nnUNetTrainerRAEMD_noLSTM_quick(nnUNetTrainerRAEMD_noLSTM):
    """As many iterations as `nnUNetTrainerRAEMD_quick`."""

    recipe = nnUNetTrainerRAEMD_quick.recipe


class nnUNetTrainerRAEMD_noHybridLoss(nnUNetTrainerRAEMDWithout):
    """Cross-entropy alone."""

    recipe = replace(WHOLE, weight_dice=0.0)


class nnUNetTrainerRAEMD_noSchedule(nnUNetTrainerRAEMDWithout):
    """One learning rate for all epochs."""

    recipe = replace(WHOLE, schedule="plateau", min_lr=WHOLE.initial_lr)


class nnUNetTrainerRAEMD_noAveraging(nnUNetTrainerRAEMDWithout):
    """Validates and predicts with the weights of the last step."""

    recipe = replace(WHOLE, average_decay=0.0)
