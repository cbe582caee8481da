"""From a part of a network to its graph in ONNX, by torch's exporter, which takes seconds to import."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.export import Dim

from nnunetv2_raemd.deployment.network_parts import NetworkPart
from nnunetv2_raemd.deployment.onnx_graph import first_line
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.extras import needs_extra

if TYPE_CHECKING:
    import onnx

OPSET = 18
_SMALL = 64  # values; what the graph itself needs, such as shapes, is not larger


def export_graph(part: NetworkPart, *, any_size: bool = True) -> onnx.ModelProto:
    """The graph of a part, for any batch, where it takes any, and, if wanted, any size.

    Its weights are initializers by the network's names without values, to be filled in by `with_weights`.

    Raises:
        UserError: if ONNX has no such operation, or the package is missing.
    """
    with needs_extra("onnx"):
        import onnx  # noqa: F401, PLC0415 - an extra
        import onnxscript  # noqa: F401, PLC0415 - an extra; torch's exporter is written in it
    try:
        return _without_weights(_trace(part, any_size=any_size), part)
    except Exception as error:  # whatever in a network tracing or ONNX cannot express
        raise UserError(
            f"the network cannot be exported to ONNX ({first_line(error)}): use --format safetensors"
        ) from error


def _trace(part: NetworkPart, *, any_size: bool) -> onnx.ModelProto:
    axes: dict[int, Any] = {0: Dim.DYNAMIC} if part.any_batch else {}
    if any_size:
        axes |= {axis: Dim.DYNAMIC for axis in range(2, part.examples[0].ndim)}
    with warnings.catch_warnings(), _quiet(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            part.module,
            part.examples,
            dynamo=True,
            dynamic_shapes=(tuple(axes for _ in part.examples),),
            opset_version=OPSET,
            input_names=[f"input_{i}" for i in range(len(part.examples))],
            output_names=[f"output_{i}" for i in range(len(part.module(*part.examples)))],
            optimize=False,  # it would compute new weights, as of batch normalization within convolutions
            verbose=False,
        )
    assert program is not None
    proto: onnx.ModelProto = program.model_proto
    return proto


@contextlib.contextmanager
def _quiet() -> Any:
    """The exporter prints and logs its steps, which say nothing to users."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(before)


def _without_weights(graph: onnx.ModelProto, part: NetworkPart) -> onnx.ModelProto:
    """The graph with weights by the network's own names and no values."""
    names = part.module.state_dict().keys()  # with both names of weights that nnU-Net's networks share
    for initializer in graph.graph.initializer:
        if initializer.name not in names:
            if int(np.prod(initializer.dims)) > _SMALL:
                raise ValueError(f"{initializer.name} was computed from the weights")
            continue
        initializer.ClearField("raw_data")
        initializer.ClearField("float_data")
    _leave_out_biases_of_zeros(graph)
    for node in _with_metadata(graph):
        del node.metadata_props[:]  # lines of the traced code with the paths of this machine
        node.doc_string = ""
    return graph


def _leave_out_biases_of_zeros(graph: onnx.ModelProto) -> None:
    """torch 2.14 gives convolutions without a bias one of zeros, in 3D with two axes, which cannot be run."""
    nodes = graph.graph.node
    makers = {name: node for node in nodes for name in node.output}
    for node in nodes:
        if node.op_type == "Conv" and len(node.input) == 3 and _is_zeros(node.input[2], makers):
            del node.input[2]


def _is_zeros(name: str, makers: Mapping[str, onnx.NodeProto]) -> bool:
    """Whether what goes by that name is a constant zero, spread over a shape."""
    node = makers.get(name)
    while node is not None and node.op_type in ("Expand", "CastLike"):
        node = makers.get(node.input[0])
    if node is None or node.op_type != "Constant":
        return False
    from onnx import helper, numpy_helper  # noqa: PLC0415 - an extra

    value = helper.get_attribute_value(node.attribute[0])
    return not np.any(numpy_helper.to_array(value) if node.attribute[0].name == "value" else value)


def _with_metadata(graph: onnx.ModelProto) -> list[Any]:
    inner = graph.graph
    nodes: list[Any] = [graph, inner]
    for group in (inner.node, inner.initializer, inner.value_info, inner.input, inner.output):
        nodes += [item for item in group if hasattr(item, "metadata_props")]
    return nodes
