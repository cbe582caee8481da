"""What ONNX Runtime's sessions give, which work in the same memory."""

from __future__ import annotations

import numpy as np
import pytest

from nnunetv2_raemd.deployment.graph_sessions import OnnxRuntimeSession
from nnunetv2_raemd.deployment.model_graphs import ModelGraphs
from nnunetv2_raemd.deployment.onnx_graph import apart_from_weights
from nnunetv2_raemd.errors import UserError

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")


def times(factor: float) -> bytes:
    """A graph that multiplies (N, 2, rows, columns)."""
    helper, of_floats = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Mul", ["given", "factor"], ["found"])],
        "times",
        [helper.make_tensor_value_info("given", of_floats, ["n", 2, "rows", "columns"])],
        [helper.make_tensor_value_info("found", of_floats, ["n", 2, "rows", "columns"])],
        [helper.make_tensor("factor", of_floats, [1], [factor])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


@pytest.mark.parametrize("batch", [1, 4])
def test_later_calls_of_any_session_leave_outputs_as_they_are(batch: int) -> None:
    twice, thrice = (OnnxRuntimeSession(times(factor), 1, batch) for factor in (2, 3))
    given = [np.full((4, 2, size, 300), size, np.float32) for size in (20, 200)]
    found = [session([values])[0] for _ in range(3) for values in given for session in (twice, thrice)]
    wanted = [factor * values for _ in range(3) for values in given for factor in (2, 3)]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_are_read_where_they_lie() -> None:
    model = onnx.load_model_from_string(times(2))
    (factor,) = model.graph.initializer
    factor.name = model.graph.node[0].input[1] = "network.factor"
    factor.ClearField("float_data")
    content, weights = apart_from_weights(model, {"factor": np.array([3], np.float32)})
    (found,) = OnnxRuntimeSession(content, 1, weights=weights)([np.full((1, 2, 3, 3), 5, np.float32)])
    np.testing.assert_array_equal(found, np.full((1, 2, 3, 3), 15))


def test_a_network_that_openvino_cannot_express_is_refused() -> None:
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    model = onnx.load_model_from_string(times(2))
    model.graph.node[0].op_type = "Mull"
    with pytest.raises(UserError, match=r"OpenVINO cannot run the network \(.*Mull.*--format safetensors"):
        ModelGraphs({"network": model}, ()).openvino({})
