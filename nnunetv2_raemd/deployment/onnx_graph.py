"""Graphs in ONNX that hold no weights: these stand in files of their own, one for each fold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.extras import needs_extra

if TYPE_CHECKING:
    import onnx

PREFIX = "network."
Weights = Mapping[str, np.ndarray]


def refer_to(
    graph: onnx.ModelProto, weights_file: PurePosixPath, offsets: Mapping[str, tuple[int, int]]
) -> None:
    """Let weights name where their values lie, (first byte, bytes) in a safetensors file."""
    from onnx import TensorProto  # noqa: PLC0415 - an extra

    for initializer in graph.graph.initializer:
        if not _is_weight(initializer):
            continue
        offset, length = offsets[initializer.name.removeprefix(PREFIX)]
        del initializer.external_data[:]
        for key, value in (("location", str(weights_file)), ("offset", str(offset)), ("length", str(length))):
            initializer.external_data.add(key=key, value=value)
        initializer.data_location = TensorProto.EXTERNAL


def read_graph(file: Path) -> onnx.ModelProto:
    """A graph as it was exported, without weights; raises `UserError` where the file is none."""
    with needs_extra("onnx"):
        import onnx  # noqa: PLC0415 - an extra
    try:
        return onnx.load_model(str(file), load_external_data=False)
    except Exception as error:  # protobuf's own
        raise UserError(f"{file} is not an ONNX graph: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """What an error of a library says, in one line."""
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__


def with_weights(graph: onnx.ModelProto, weights: Weights) -> bytes:
    """The graph with the values of a fold filled in, as runtimes read it.

    Values come from `weights` alone, whatever files the graph names.

    Raises:
        UserError: if the weights are of another network.
    """
    from onnx import ModelProto, numpy_helper  # noqa: PLC0415 - an extra

    values = _values(graph, weights)
    filled = ModelProto()
    filled.CopyFrom(graph)
    for initializer in filled.graph.initializer:
        if initializer.name in values:
            initializer.CopyFrom(numpy_helper.from_array(values[initializer.name], initializer.name))
    content: bytes = filled.SerializeToString()
    return content


def apart_from_weights(graph: onnx.ModelProto, weights: Weights) -> tuple[bytes, dict[str, np.ndarray]]:
    """The graph without values, and the values of a fold by the graph's names for them.

    For runtimes that take them from memory, which are spared the copies that `with_weights` makes.

    Raises:
        UserError: as `with_weights`.
    """
    from onnx import ModelProto, TensorProto  # noqa: PLC0415 - an extra

    values = _values(graph, weights)
    apart = ModelProto()
    apart.CopyFrom(graph)
    for initializer in apart.graph.initializer:
        if initializer.name in values:
            del initializer.external_data[:]  # which file it would be is not looked at
            initializer.external_data.add(key="location", value="memory")
            initializer.data_location = TensorProto.EXTERNAL
    content: bytes = apart.SerializeToString()
    return content, values


def _values(graph: onnx.ModelProto, weights: Weights) -> dict[str, np.ndarray]:
    """What the weights in a graph are to be."""
    from onnx import TensorProto  # noqa: PLC0415 - an extra

    values = {}
    for initializer in graph.graph.initializer:
        if _is_weight(initializer):
            values[initializer.name] = _value(initializer, weights)
        elif initializer.data_location == TensorProto.EXTERNAL:
            raise UserError(
                f"the graph takes {initializer.name} from another file: it was not written by raemd export"
            )
    return values


def _is_weight(initializer: Any) -> bool:
    """By its name, and as it has no values; constants of the code are named after their module, too."""
    values = ("raw_data", "float_data", "double_data", "int32_data", "int64_data", "uint64_data")
    return initializer.name.startswith(PREFIX) and not any(len(getattr(initializer, v)) for v in values)


def _value(initializer: Any, weights: Weights) -> np.ndarray:
    value = weights.get(initializer.name.removeprefix(PREFIX))
    if value is None or list(value.shape) != list(initializer.dims):
        raise UserError(f"graph and weights are of different networks: {initializer.name} does not fit")
    return np.ascontiguousarray(value)
