"""Sessions put together to the network that they are parts of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from nnunetv2_raemd.deployment.graph_sessions import OnnxRuntimeSession, OpenVinoSession, Session
from nnunetv2_raemd.deployment.model_description import DECODE, ENCODE, RECUR, WHOLE, ModelDescription
from nnunetv2_raemd.deployment.onnx_graph import Weights, apart_from_weights
from nnunetv2_raemd.deployment.session_network import (
    ReplacingSessionNetwork,
    SlicedSessionNetwork,
    WholeSessionNetwork,
)

if TYPE_CHECKING:
    import onnx
    import openvino


def part_names(description: ModelDescription) -> list[str]:
    """The parts that are graphs of their own, in the order in which they run."""
    if description.n_slices is None:
        return [WHOLE]
    return [ENCODE, RECUR, DECODE] if description.positions else [ENCODE, DECODE]


def network_of(sessions: Mapping[str, Session], description: ModelDescription) -> nn.Module:
    """The network for predictions, from a session for each part."""
    if description.n_slices is None:
        return WholeSessionNetwork(sessions)
    kind = ReplacingSessionNetwork if description.recurrence_replaces else SlicedSessionNetwork
    return kind(sessions, description.positions, description.n_slices)


def openvino_network(
    graphs: Mapping[str, openvino.Model], description: ModelDescription, hint: str = "f32"
) -> nn.Module:
    """The network run by OpenVINO, from a graph for each part, with as many threads as torch takes."""
    return network_of(
        {part: openvino_session(graph, part, description, hint) for part, graph in graphs.items()},
        description,
    )


def openvino_session(
    graph: openvino.Model, part: str, description: ModelDescription, hint: str = "f32"
) -> OpenVinoSession:
    """A session for one part."""
    return OpenVinoSession(graph, torch.get_num_threads(), hint, _batch(part, description))


def onnxruntime_session(
    graph: onnx.ModelProto, weights: Weights, part: str, description: ModelDescription
) -> OnnxRuntimeSession:
    """A session for one part, from its graph and the weights of a fold; raises as `apart_from_weights`."""
    content, values = apart_from_weights(graph, weights)
    return OnnxRuntimeSession(content, torch.get_num_threads(), _batch(part, description), values)


def _batch(part: str, description: ModelDescription) -> int:
    """Slices run one by one, except where they see each other."""
    return description.n_slices if part == RECUR and description.n_slices is not None else 1
