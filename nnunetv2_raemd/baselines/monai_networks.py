"""MONAI's networks, where the extra `baselines` is installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from torch import nn

from nnunetv2_raemd.extras import needs_extra


def monai_network(name: str) -> Callable[..., nn.Module]:
    """The class of that name in `monai.networks.nets`.

    Raises:
        UserError: if MONAI is not installed.
    """
    with needs_extra("baselines", f"the network {name}"):
        nets = importlib.import_module("monai.networks.nets")
    network: Callable[..., nn.Module] = getattr(nets, name)
    return network
