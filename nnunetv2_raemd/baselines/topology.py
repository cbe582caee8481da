"""What a network of another design takes over from an nnU-Net configuration."""

from __future__ import annotations

from dataclasses import dataclass

from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager


@dataclass(frozen=True)
class Topology:
    """Features and strides of nnU-Net's own U-Net, finest stage first; the first stride is 1."""

    features: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]

    @property
    def spatial_dims(self) -> int:
        """2 or 3."""
        return len(self.strides[0])


def topology_of(configuration: ConfigurationManager) -> Topology:
    """The topology of the network in a configuration of nnU-Net's default or residual encoder planners."""
    arguments = configuration.network_arch_init_kwargs
    return Topology(
        features=tuple(arguments["features_per_stage"]),
        strides=tuple(tuple(stride) for stride in arguments["strides"]),
    )
