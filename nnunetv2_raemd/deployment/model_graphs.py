"""All graphs of a model, and networks made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nnunetv2_raemd.deployment.exported_network import network_of, onnxruntime_session, openvino_network
from nnunetv2_raemd.deployment.graph_sessions import read_openvino
from nnunetv2_raemd.deployment.graph_tracing import export_graph
from nnunetv2_raemd.deployment.model_description import ModelDescription
from nnunetv2_raemd.deployment.network_backend import Backend
from nnunetv2_raemd.deployment.network_parts import NetworkPart, parts_of, with_other_weights
from nnunetv2_raemd.deployment.onnx_graph import with_weights
from nnunetv2_raemd.deployment.source_model import SourceModel
from nnunetv2_raemd.deployment.weights_file import as_arrays
from nnunetv2_raemd.errors import UserError

if TYPE_CHECKING:
    import onnx
    import openvino


@dataclass(frozen=True)
class ModelGraphs:
    """The parts of a network as graphs without weights, for all folds.

    Attributes:
        positions: of the features that the second third adds to.
    """

    graphs: Mapping[str, onnx.ModelProto]
    positions: tuple[int, ...]

    def openvino(self, weights: Mapping[str, Tensor]) -> dict[str, openvino.Model]:
        """The graphs with the weights of a fold, as OpenVINO holds them.

        Raises:
            UserError: if OpenVINO has no way to express one.
        """
        arrays = as_arrays(weights)
        try:
            return {name: read_openvino(with_weights(graph, arrays)) for name, graph in self.graphs.items()}
        except RuntimeError as error:
            raise UserError(
                f"OpenVINO cannot run the network ({_reason(str(error))}): export it with --format "
                "safetensors, and predict with torch"
            ) from error

    def network(
        self, backend: Backend, weights: Mapping[str, Tensor], description: ModelDescription
    ) -> nn.Module:
        """The network with the weights of a fold, run by a backend other than torch."""
        if backend is Backend.OPENVINO:
            return openvino_network(self.openvino(weights), description)
        arrays = as_arrays(weights)
        sessions = {
            part: onnxruntime_session(graph, arrays, part, description) for part, graph in self.graphs.items()
        }
        return network_of(sessions, description)


def export_graphs(source: SourceModel) -> ModelGraphs:
    """Trace the network of a model; raises `UserError` where ONNX cannot express it."""
    network = with_other_weights(source.network)
    if _has_attention_windows(network):
        return _of_one_size(network, source)
    try:
        parts = parts_of(network, _example(source, _traced_size(source)), source.n_slices)
        return ModelGraphs({part.name: export_graph(part) for part in parts}, _positions(parts))
    except (UserError, RuntimeError, ValueError):  # networks that fit one size only
        return _of_one_size(network, source)


def _has_attention_windows(network: nn.Module) -> bool:
    """As Swin UNETR, which pads and masks them by the image's size: of a free size, tracing does not end."""
    return any(type(module).__name__ == "WindowAttention" for module in network.modules())


def _of_one_size(network: nn.Module, source: SourceModel) -> ModelGraphs:
    """That of the patch, which is all that nnU-Net's sliding window shows a network."""
    parts = parts_of(network, _example(source, _in_plane_or_volume(source)), source.n_slices)
    graphs = {part.name: export_graph(part, any_size=False) for part in parts}
    return ModelGraphs(graphs, _positions(parts))


def _traced_size(source: SourceModel) -> tuple[int, ...]:
    """The smallest that stands for all of RAEMD-Net's, which is soon traced, and a patch of other networks.

    Others may halve an image more often than the plan says: one of a single pixel would be traced for a
    single pixel.
    """
    if source.n_slices is not None:
        return tuple(2 * multiple for multiple in source.size_multiple)
    return _in_plane_or_volume(source)


def _in_plane_or_volume(source: SourceModel) -> tuple[int, ...]:
    return tuple(source.patch_size[-len(source.size_multiple) :])


def _example(source: SourceModel, size: tuple[int, ...]) -> Tensor:
    """Two sequences of slices, or two images: torch.export would take a single one for a fixed number."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn((2 * (source.n_slices or 1), source.n_channels, *size), generator=generator)


def _positions(parts: list[NetworkPart]) -> tuple[int, ...]:
    return next((part.positions for part in parts if part.positions), ())


def _reason(error: str) -> str:
    """The operations that OpenVINO names in its error, among lines on its own code; or else the last line."""
    lines = error.strip().splitlines()
    operations = [line.removeprefix("-- ") for line in lines if line.startswith("-- ")]
    return "; ".join(operations) or lines[-1]
