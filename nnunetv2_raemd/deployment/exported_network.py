"""Sessions put together to the network that they are parts of."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from nnunetv2_raemd.deployment.graph_sessions import Session
from nnunetv2_raemd.deployment.model_description import ModelDescription
from nnunetv2_raemd.deployment.network_parts import DECODE, ENCODE, RECUR, WHOLE
from nnunetv2_raemd.deployment.session_network import SlicedSessionNetwork, WholeSessionNetwork


def part_names(description: ModelDescription) -> list[str]:
    """The parts that are graphs of their own, in the order in which they run."""
    if description.n_slices is None:
        return [WHOLE]
    return [ENCODE, RECUR, DECODE] if description.positions else [ENCODE, DECODE]


def network_of(sessions: Mapping[str, Session], description: ModelDescription) -> nn.Module:
    """The network for predictions, from a session for each part."""
    if description.n_slices is None:
        return WholeSessionNetwork(sessions)
    return SlicedSessionNetwork(sessions, description.positions, description.n_slices)
