"""Equations 3.11-3.13 with the focusing parameter: closed forms, and nnU-Net's own loss."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss, DC_and_CE_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from torch import Tensor

from nnunetv2_raemd.training.hybrid_loss import FocalBCEWithLogitsLoss, FocalCrossEntropyLoss, apply_recipe
from nnunetv2_raemd.training.recipe import Recipe

DICE = {"batch_dice": True, "smooth": 1e-5, "do_bg": False, "ddp": False}


def logits_and_labels(classes: int = 3) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(2, classes, 3, 4, 5), torch.randint(0, classes, (2, 1, 3, 4, 5)).float()


def test_two_class_focal_loss_by_hand() -> None:
    """Logit difference log 3 for the wrong class: p_t = 1/4, so (3/4)^2 log 4."""
    logits = torch.tensor([[math.log(3.0), 0.0]])[..., None]
    loss = FocalCrossEntropyLoss(2.0)(logits, torch.tensor([[1]]))
    assert loss.item() == pytest.approx(0.75**2 * math.log(4))


def test_binary_focal_loss_by_hand() -> None:
    """Logit log 3: p = 3/4; a target of 1 gives (1/4)^2 log(4/3), one of 0 gives (3/4)^2 log 4."""
    loss = FocalBCEWithLogitsLoss(2.0, reduction="none")
    values = loss(torch.full((1, 2), math.log(3.0)), torch.tensor([[1.0, 0.0]]))
    expected = [0.25**2 * math.log(4 / 3), 0.75**2 * math.log(4)]
    assert values.flatten().tolist() == pytest.approx(expected)


def test_focusing_zero_is_cross_entropy() -> None:
    logits, labels = logits_and_labels()
    expected = torch.nn.functional.cross_entropy(logits, labels[:, 0].long())
    torch.testing.assert_close(FocalCrossEntropyLoss(0.0)(logits, labels), expected)
    targets = (labels > 0).float()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, :1], targets)
    torch.testing.assert_close(FocalBCEWithLogitsLoss(0.0)(logits[:, :1], targets), expected)


def test_ignored_voxels_do_not_count() -> None:
    logits, labels = logits_and_labels()
    labels[:, :, 0] = 9
    kept = FocalCrossEntropyLoss(2.0)(logits[:, :, 1:], labels[:, :, 1:])
    torch.testing.assert_close(FocalCrossEntropyLoss(2.0, ignore_index=9)(logits, labels), kept)


def test_nothing_but_ignored_voxels_is_zero_and_not_nan() -> None:
    logits, labels = logits_and_labels()
    assert FocalCrossEntropyLoss(2.0, ignore_index=9)(logits, torch.full_like(labels, 9)) == 0


@pytest.mark.parametrize("focusing", [0.0, 0.5, 1.0, 2.0])
def test_gradient_is_finite_where_the_prediction_is_certain(focusing: float) -> None:
    logits = torch.tensor([[-200.0, 200.0]], requires_grad=True)
    FocalCrossEntropyLoss(focusing)(logits, torch.tensor([1])).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def nnunet_loss(weight_ce: float, weight_dice: float, ignore_label: int | None) -> DC_and_CE_loss:
    return DC_and_CE_loss(dict(DICE), {}, weight_ce, weight_dice, ignore_label, MemoryEfficientSoftDiceLoss)


@pytest.mark.parametrize("ignore_label", [None, 2])
def test_default_recipe_leaves_nnunets_loss_as_it_is(ignore_label: int | None) -> None:
    logits, labels = logits_and_labels()
    ours = nnunet_loss(7, 7, ignore_label)
    apply_recipe(ours, Recipe())
    assert torch.equal(ours(logits, labels), nnunet_loss(1, 1, ignore_label)(logits, labels))


def test_weights_are_alpha_and_gamma() -> None:
    logits, labels = logits_and_labels()
    ours = nnunet_loss(1, 1, None)
    apply_recipe(ours, replace(Recipe(), weight_ce=0.3, weight_dice=2.0))
    cross_entropy = nnunet_loss(1, 0, None)(logits, labels)
    dice = nnunet_loss(0, 1, None)(logits, labels)
    torch.testing.assert_close(ours(logits, labels), 0.3 * cross_entropy + 2.0 * dice)


def test_focal_takes_the_place_of_cross_entropy_beside_dice() -> None:
    logits, labels = logits_and_labels()
    ours = nnunet_loss(1, 1, 2)
    apply_recipe(ours, replace(Recipe(), focusing=2.0))
    dice = nnunet_loss(0, 1, 2)(logits, labels)
    focal = FocalCrossEntropyLoss(2.0, ignore_index=2)(logits, labels)
    torch.testing.assert_close(ours(logits, labels), dice + focal)


@pytest.mark.parametrize("use_ignore_label", [False, True])
def test_focal_with_regions(use_ignore_label: bool) -> None:
    logits, labels = logits_and_labels(2)
    regions = torch.cat((labels > 0, labels == 1, labels == 0), dim=1).float()
    regions = regions if use_ignore_label else regions[:, :2]
    loss = DC_and_BCE_loss({}, {**DICE, "do_bg": True}, use_ignore_label=use_ignore_label)
    without_focusing = loss(logits, regions)
    apply_recipe(loss, replace(Recipe(), weight_dice=0.0, focusing=2.0))
    assert loss.ce.focusing == 2.0
    mask = 1 - regions[:, -1:] if use_ignore_label else torch.ones_like(regions[:, :1])
    values = FocalBCEWithLogitsLoss(2.0, reduction="none")(logits, regions[:, :2]) * mask
    expected = values.sum() / mask.sum() if use_ignore_label else values.mean()
    torch.testing.assert_close(loss(logits, regions), expected)
    assert loss(logits, regions) != without_focusing
