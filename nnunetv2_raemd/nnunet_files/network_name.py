"""The network that a plan names: a class that nnU-Net imports and calls by its dotted name."""

from __future__ import annotations

import pydoc
from collections.abc import Iterator
from pathlib import Path

from torch import nn

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.plans_file import Plans

KNOWN_PACKAGES = ("dynamic_network_architectures", "nnunetv2", "nnunetv2_raemd", "torch.nn")


def check_networks_are_known(plans: Plans, file: Path) -> None:
    """Look at every class that a plan names, without importing one from elsewhere.

    nnU-Net calls whatever a plan names with the arguments that the plan gives: without this check
    "subprocess.Popen" in the place of an activation would start a program.

    Raises:
        UserError: if one is not a network or layer of nnU-Net's, torch's or ours.
    """
    for key, name in _names(plans):
        if not _is_known_module(name):
            raise UserError(
                f"{file} was not used, because it may run code: {key} is {name!r}, which is not a network or "
                f"layer of {', '.join(KNOWN_PACKAGES)}. If you trust who made it, give --trust-checkpoint"
            )


def _names(plans: Plans) -> Iterator[tuple[str, object]]:
    for configuration in plans["configurations"].values():
        if "architecture" not in configuration:  # an older plan, of which nnU-Net itself makes the names
            continue
        architecture = configuration["architecture"]
        yield "network_class_name", architecture["network_class_name"]
        for key in architecture["_kw_requires_import"]:
            if (name := architecture["arch_kwargs"].get(key)) is not None:
                yield key, name


def _is_known_module(name: object) -> bool:
    if not isinstance(name, str) or not name.startswith(tuple(f"{package}." for package in KNOWN_PACKAGES)):
        return False
    found = pydoc.locate(name)
    # nnU-Net looks for a class that has moved by its last name, in dynamic_network_architectures alone
    return found is None or (isinstance(found, type) and issubclass(found, nn.Module))
