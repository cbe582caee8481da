"""A trained model, loaded to predict with, and the device that it is to run on."""

from __future__ import annotations

from typing import Any

import joblib
import torch

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.prediction.predictor import WholeScanPredictor
from nnunetv2_raemd.prediction.trained_model import AnyModel


def load_model(model: AnyModel, *, trust_checkpoint: bool = False, **settings: Any) -> WholeScanPredictor:
    """A predictor with the weights of all folds of `model`; `settings` are those of nnU-Net's predictor.

    Args:
        trust_checkpoint: whether the user says that the model's files may run code.

    Raises:
        UserError: if it is missing, damaged, of another network than its plan, or would run code.
    """
    return model.load(trust_checkpoint=trust_checkpoint, **settings)


def torch_device(name: str) -> torch.device:
    """The device, with a thread for each core that this process may use (nnU-Net: for each of the machine).

    Raises:
        UserError: if there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("torch finds no CUDA device; give -device cpu, or see `raemd info`")
    if name == "mps" and not torch.backends.mps.is_available():
        raise UserError("torch finds no MPS device; give -device cpu")
    if name == "cpu":
        torch.set_num_threads(joblib.cpu_count())
    elif name == "cuda":
        torch.set_num_threads(1)
        torch.set_num_interop_threads(1)
    return torch.device(name)
