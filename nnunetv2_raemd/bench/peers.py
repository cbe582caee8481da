"""The networks that are compared: RAEMD-Net, part by part, and nnU-Net's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from torch import nn

from nnunetv2_raemd.bench.peer_names import NNUNET_PEERS, RAEMD_PEERS, check_names
from nnunetv2_raemd.bench.sized_plans import PATCHES_OF_SCAN, Plan, nnunet_plan
from nnunetv2_raemd.bench.sizes import Sizes
from nnunetv2_raemd.plans import Preset, load_preset, raemd_plan
from nnunetv2_raemd.training.recipe import MEASURED_BEST, Recipe
from nnunetv2_raemd.training.trainer import IN_PLANE_AXES

REFERENCE = "nnunet-2d"
"""the peer that ratios are taken to, if it is among those compared"""
LIMITLESS: dict[str, Any] = {
    "gpu_memory_gb": 1e6,
    "min_slices": 1,
}  # the benchmark's sizes decide, not the preset's


@dataclass(frozen=True)
class Peer:
    """A network as its own plan builds and trains it.

    `recipe` is RAEMD-Net's, or `None` for nnU-Net's own training. `mirror_axes` are those of test-time
    mirroring, counted over the patch. `patch_of_scan` is what its plan has for scans of 300 x 512 x 512.
    """

    name: str
    label: str
    plan: Plan
    configuration_name: str
    recipe: Recipe | None
    mirror_axes: tuple[int, ...]
    patch_of_scan: tuple[int, ...]

    @property
    def configuration(self) -> dict[str, Any]:
        content: dict[str, Any] = self.plan["configurations"][self.configuration_name]
        return content

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """(batch, channel, ...) of a training step."""
        return (self.configuration["batch_size"], 1, *self.configuration["patch_size"])

    def build(self, *, deep_supervision: bool) -> nn.Module:
        """The network, with one input channel and two classes."""
        architecture = self.configuration["architecture"]
        network: nn.Module = get_network_from_plans(
            architecture["network_class_name"],
            architecture["arch_kwargs"],
            architecture["_kw_requires_import"],
            input_channels=1,
            output_channels=2,
            allow_init=True,
            deep_supervision=deep_supervision,
        )
        return network


def nnunet_peer(name: str, label: str, network: str, configuration_name: str, sizes: Sizes) -> Peer:
    """A network of nnU-Net's under nnU-Net's own training."""
    plan = nnunet_plan(network, sizes)
    n_axes = len(plan["configurations"][configuration_name]["patch_size"])
    return Peer(name, label, plan, configuration_name, None, tuple(range(n_axes)), PATCHES_OF_SCAN[n_axes])


def raemd_peer(name: str, label: str, preset: Preset, sizes: Sizes) -> Peer:
    """RAEMD-Net of a preset, from nnU-Net's 2d plan."""
    plan = raemd_plan(
        nnunet_plan("PlainConvUNet", sizes), preset=replace(preset, **LIMITLESS), configurations=["2d"]
    )
    plan["configurations"]["2d"] |= {
        "patch_size": [sizes.sequence, *sizes.patch_2d],
        "batch_size": sizes.n_sequences,
    }
    patch_of_scan = (sizes.sequence, *PATCHES_OF_SCAN[2])
    return Peer(name, label, plan, "2d", MEASURED_BEST, IN_PLANE_AXES, patch_of_scan)


def make_peers(names: Iterable[str], sizes: Sizes) -> list[Peer]:
    """The peers of these names, or of presets in these JSON files, in that order, each once.

    Raises:
        UserError: if a name is unknown or the sizes do not suit nnU-Net.
    """
    names = list(dict.fromkeys(names))
    check_names(names)
    return [_maker(name)(sizes) for name in names]


def _maker(name: str) -> Callable[[Sizes], Peer]:
    if name in NNUNET_PEERS:
        label, network, configuration_name = NNUNET_PEERS[name]
        return lambda sizes: nnunet_peer(name, label, network, configuration_name, sizes)
    if name in RAEMD_PEERS:
        label, preset, changes = RAEMD_PEERS[name]
        return lambda sizes: raemd_peer(name, label, replace(load_preset(preset), **changes), sizes)
    return lambda sizes: raemd_peer(name, Path(name).stem, load_preset(name), sizes)
