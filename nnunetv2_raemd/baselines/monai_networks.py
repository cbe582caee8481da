"""MONAI's networks, where the extra `baselines` is installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from torch import nn

from nnunetv2_raemd.errors import UserError


def monai_network(name: str) -> Callable[..., nn.Module]:
    """The class of that name in `monai.networks.nets`.

    Raises:
        UserError: if MONAI is not installed.
    """
    try:
        nets = importlib.import_module("monai.networks.nets")
    except ImportError as error:
        raise UserError(
            f"the network {name} is MONAI's, which cannot be imported ({error}): "
            'run `pip install "nnunetv2-raemd[baselines]"` in this environment'
        ) from error
    network: Callable[..., nn.Module] = getattr(nets, name)
    return network
