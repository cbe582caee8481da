"""One training step of a peer, as nnU-Net's trainer (or ours, on sequences) does it on that device."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from torch import Tensor, nn

from nnunetv2_raemd.bench.peers import Peer
from nnunetv2_raemd.training.hybrid_loss import apply_recipe
from nnunetv2_raemd.training.mixed_precision import mixed_precision
from nnunetv2_raemd.training.recipe_optimizer import recipe_optimizer

MAX_GRADIENT_NORM = 12
FOREGROUND = 0.02


def nnunet_compiles(device: torch.device) -> bool:
    """Whether nnU-Net would compile the network there: on CUDA, unless nnUNet_compile says no."""
    wanted = os.environ.get("nnUNet_compile", "true")  # noqa: SIM112 - nnU-Net's name
    return device.type == "cuda" and os.name != "nt" and wanted.lower() in {"true", "1", "t"}


class TrainingStep:
    """Forward, loss with deep supervision, backward, gradient clipping and optimizer, with its precision."""

    def __init__(self, peer: Peer, device: torch.device) -> None:
        self.device = device
        self.network = peer.build(deep_supervision=True).to(device)
        self.optimizer = _optimizer(self.network, peer)
        self.images = torch.randn(peer.batch_shape, device=device)
        self.targets = _targets(peer, device)
        self.precision = partial(_precision, peer, self.network, device)
        self.scaler = torch.GradScaler("cuda") if device.type == "cuda" else None
        compiled = nnunet_compiles(device)
        self.forward = torch.compile(self.network) if compiled else self.network
        self.loss = _loss(peer, len(self.targets), compiled=compiled)
        self.eager_loss = _loss(peer, len(self.targets), compiled=False)

    def __call__(self) -> None:
        self._step(self.forward, self.loss)

    def eagerly(self) -> None:
        """The same step with nothing compiled."""
        self._step(self.network, self.eager_loss)

    def _step(self, forward: Callable[[Tensor], Any], loss_function: nn.Module) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        with self.precision():
            loss: Tensor = loss_function(forward(self.images), self.targets)
        if self.scaler is None:
            loss.backward()
            self._clip()
            self.optimizer.step()
        else:
            self.scaler.scale(loss).backward()
            self.scaler.unscale_(self.optimizer)
            self._clip()
            self.scaler.step(self.optimizer)
            self.scaler.update()
        loss.item()  # nnU-Net logs it

    def _clip(self) -> None:
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)


def _precision(peer: Peer, network: nn.Module, device: torch.device) -> AbstractContextManager[Any]:
    """nnU-Net's mixed precision on CUDA; on the CPU only our recipe has one."""
    if device.type == "cuda":
        return torch.autocast("cuda")
    return nullcontext() if peer.recipe is None else mixed_precision(network, device)


def _optimizer(network: nn.Module, peer: Peer) -> torch.optim.Optimizer:
    if peer.recipe is not None:
        return recipe_optimizer(network.parameters(), peer.recipe)
    return torch.optim.SGD(network.parameters(), 1e-2, weight_decay=3e-5, momentum=0.99, nesterov=True)


def _loss(peer: Peer, n_outputs: int, *, compiled: bool) -> nn.Module:
    """nnU-Net's loss, with the recipe's weights for our trainers."""
    dice = {"batch_dice": peer.configuration["batch_dice"], "smooth": 1e-5, "do_bg": False, "ddp": False}
    loss: nn.Module = DC_and_CE_loss(dice, {}, dice_class=MemoryEfficientSoftDiceLoss)
    if compiled:
        loss.dc = torch.compile(loss.dc)  # type: ignore[assignment, arg-type]
    if peer.recipe is not None:
        apply_recipe(loss, peer.recipe)
    weights = np.array([1 / 2**i for i in range(n_outputs)])
    weights[-1] = 0
    wrapped: nn.Module = DeepSupervisionWrapper(loss, weights / max(weights.sum(), 1e-8))
    return wrapped


def _targets(peer: Peer, device: torch.device) -> list[Tensor]:
    """Labels (batch, 1, ...) for every output, finest first, with a little foreground."""
    batch, _, *patch_size = peer.batch_shape
    strides = peer.configuration["architecture"]["arch_kwargs"]["strides"][:-1]
    shapes = [np.array(patch_size) // scale for scale in np.cumprod(strides, axis=0)]
    return [
        (torch.rand((batch, 1, *map(int, shape)), device=device) < FOREGROUND).to(torch.int16)
        for shape in shapes
    ]
