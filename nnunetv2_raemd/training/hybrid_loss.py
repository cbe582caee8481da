"""L = alpha CE + gamma Dice, equations 3.11 to 3.13 of the paper, with a focusing parameter.

The Dice loss, the weighted sum, deep supervision, regions and the ignore label are nnU-Net's own; this module
adds the focal terms in the place of cross-entropy.
"""

from __future__ import annotations

import torch
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss, DC_and_CE_loss
from nnunetv2.training.loss.robust_ce_loss import RobustCrossEntropyLoss
from torch import Tensor, nn
from torch.nn import functional as F

from nnunetv2_raemd.training.recipe import Recipe


def focal_weight(cross_entropy: Tensor, focusing: float) -> Tensor:
    """(1 - p_t)^focusing, from -log p_t (Lin et al., Focal Loss for Dense Object Detection, equation 4).

    The floor keeps the gradient finite where p_t is 1 and the exponent below 1.
    """
    probability_of_error = -torch.expm1(-cross_entropy)
    return probability_of_error.clamp_min(1e-8) ** focusing


class FocalCrossEntropyLoss(RobustCrossEntropyLoss):
    """Focal loss over exclusive classes; focusing 0 is cross-entropy.

    Logits (B, K, ...) and labels (B, ...) or (B, 1, ...) to the mean over all voxels that are not
    `ignore_index`; 0 if there is none.
    """

    def __init__(self, focusing: float, ignore_index: int = -100) -> None:
        super().__init__(ignore_index=ignore_index, reduction="none")
        self.focusing = focusing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """See the class."""
        cross_entropy = super().forward(input, target)
        counted = (target != self.ignore_index).sum().clamp_min(1)
        return (focal_weight(cross_entropy, self.focusing) * cross_entropy).sum() / counted


class FocalBCEWithLogitsLoss(nn.BCEWithLogitsLoss):
    """Focal loss over independent regions; focusing 0 is binary cross-entropy.

    Logits and targets (B, K, ...) to their mean, or (B, K, ...) with `reduction` "none".
    """

    def __init__(self, focusing: float, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.focusing = focusing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """See the class."""
        cross_entropy = F.binary_cross_entropy_with_logits(input, target, reduction="none")
        loss = focal_weight(cross_entropy, self.focusing) * cross_entropy
        return loss.mean() if self.reduction == "mean" else loss


def apply_recipe(loss: DC_and_CE_loss | DC_and_BCE_loss, recipe: Recipe) -> None:
    """Give nnU-Net's Dice and cross-entropy loss the weights and the focusing parameter of the recipe."""
    loss.weight_ce = recipe.weight_ce
    loss.weight_dice = recipe.weight_dice
    if recipe.focusing == 0:
        return
    if isinstance(loss, DC_and_BCE_loss):
        loss.ce = FocalBCEWithLogitsLoss(recipe.focusing, reduction=loss.ce.reduction)
    else:
        loss.ce = FocalCrossEntropyLoss(recipe.focusing, ignore_index=loss.ce.ignore_index)
